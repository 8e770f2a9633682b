"""The nearest of the names that are accepted, for messages about a mistyped one."""

import difflib
from collections.abc import Iterable

SHORTEST_PART = 4  # characters; shorter parts are found in too many names


def nearest_name(given: str, accepted: Iterable[str]) -> str | None:
    """Return the accepted name most like *given*, letter case aside, or None if none is near.

    >>> nearest_name("keep_dayly", ["keep_daily", "keep_last"])
    'keep_daily'
    >>> nearest_name("bucket", ["path"]) is None
    True
    """
    by_folded = {_folded(name): name for name in accepted}
    wanted = _folded(given)
    found = difflib.get_close_matches(wanted, sorted(by_folded), n=1, cutoff=0.6)
    if not found and len(wanted) >= SHORTEST_PART:
        found = [
            name for name in sorted(by_folded) if len(name) >= SHORTEST_PART and _one_holds(name, wanted)
        ]
    return by_folded[found[0]] if found else None


def _one_holds(name: str, other: str) -> bool:
    return name in other or other in name


def _folded(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
