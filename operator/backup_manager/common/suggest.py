"""The nearest of the names that are accepted, for messages about a mistyped one."""

import difflib
from collections.abc import Iterable


def nearest_name(given: str, accepted: Iterable[str]) -> str | None:
    """Return the accepted name most like *given*, letter case aside, or None if none is near.

    >>> nearest_name("keep_dayly", ["keep_daily", "keep_last"])
    'keep_daily'
    >>> nearest_name("bucket", ["path"]) is None
    True
    """
    by_folded = {_folded(name): name for name in accepted}
    found = difflib.get_close_matches(_folded(given), sorted(by_folded), n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def _folded(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
