"""The benchmark's figures as a table for people, or as JSON."""

import json
from collections.abc import Iterator

from tests.benchmarks.rows import Figure, Results

OURS = "backup-manager"


def as_json(results: Results) -> str:
    """Return all figures, with the ratio of each peer's seconds to ours."""
    rows = [
        {
            "row": figure.row,
            "program": figure.program,
            "seconds": round(figure.seconds, 3),
            "cpuSeconds": round(figure.cpu_seconds, 3),
            "peakMiB": round(figure.peak_mib, 1),
            "addedBytes": figure.added_bytes,
            "ratio": ratio(results, figure),
        }
        for figure in results.figures.values()
    ]
    return json.dumps({"figures": rows, "notes": results.notes}, indent=2)


def ratio(results: Results, figure: Figure) -> float | None:
    """How many times as long as ours a peer took."""
    ours = results.figures.get((figure.row, OURS))
    return round(figure.seconds / ours.seconds, 2) if ours else None


def as_table(results: Results) -> str:
    """Return one line for each row and program, ours first, in Markdown."""
    return "\n".join(_lines(results))


def _lines(results: Results) -> Iterator[str]:
    yield "| row | program | seconds | times ours | CPU seconds | peak RSS, MiB | added, MB |"
    yield "|---|---|---|---|---|---|---|"
    rows = dict.fromkeys(row for row, _ in results.figures)
    for row in rows:
        for figure in (figure for (name, _), figure in results.figures.items() if name == row):
            times = ratio(results, figure)
            added = "" if figure.added_bytes is None else f"{figure.added_bytes / 1e6:.1f}"
            yield (
                f"| {row} | {figure.program} | {figure.seconds:.2f} | {'' if times is None else f'{times:.2f}'} |"
                f" {figure.cpu_seconds:.2f} | {figure.peak_mib:.0f} | {added} |"
            )
    for note in results.notes:
        yield f"\n{note}"
