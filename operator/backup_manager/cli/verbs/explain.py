"""``explain``: what a policy is going to do."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import click

from backup_manager.cli.call import Call, verb
from backup_manager.cli.completion import complete_policies
from backup_manager.cli.help_text import VerbCommand
from backup_manager.cli.table import Cell, Table
from backup_manager.contract.results import Json
from backup_manager.manager.explain import explain
from backup_manager.manager.known_backups import find_candidates


@click.command("explain", cls=VerbCommand)
@click.argument("policy", shell_complete=complete_policies)
@verb
def command(call: Call, policy: str) -> None:
    """Foretell a policy's runs and what retention drops when; answers without store or key, too."""
    place = call.open_place(with_warnings=True)
    (found,) = place.policies(policy, "`explain`")
    backups, unavailable = find_candidates(place.address, policy)
    document = explain(found, backups, datetime.now(UTC), unavailable=unavailable)
    call.console.show(document, Table((), _rows(document)))


def _rows(document: Mapping[str, Json]) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    for name, value in document.items():
        if isinstance(value, Sequence) and not isinstance(value, str):
            rows.extend((name, _text(element)) for element in value)
        else:
            rows.append((name, _text(value)))
    return rows


def _text(value: Json) -> str | None:
    if isinstance(value, Mapping):
        if "expectedRemoval" in value:
            return _fate(value)
        return ", ".join(f"{name}: {_text(inner) or '-'}" for name, inner in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_text(element) or "-" for element in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return None if value is None else str(value)


def _fate(backup: Mapping[str, Json]) -> str:
    """Return what becomes of one backup, in a line."""
    kept = f"{backup['id']}: {'kept' if backup['kept'] else 'goes'} ({_text(backup['reasons'])})"
    if not backup["kept"]:
        return kept
    removal = backup["expectedRemoval"]
    return f"{kept}, until {removal}" if removal else f"{kept}, no end in sight"
