"""The five fields of a cron expression: what each accepts, and ``H``, a value hashed from a seed.

``H`` stands for one value of its field's range, so that a thousand policies with ``H H * * *`` do not
start at once; ``H(1-5)`` for one of that range, ``H/15`` for every fifteenth from a hashed start.
"""

import hashlib
import re
from dataclasses import dataclass

from backup_manager.common.errors import ConfigurationError

FIVE_FIELDS = "five fields: minute, hour, day of month, month, day of week, such as '30 2 * * *'"
HASHED = re.compile(r"H(?:\((\d{1,2})-(\d{1,2})\))?(?:/(\d{1,3}))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CronField:
    """What one field accepts: a range of numbers, names for them, and the range that ``H`` draws from."""

    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()  # the first stands for *first_name*
    first_name: int = 0
    hashed_highest: int | None = None
    extra: str | None = None  # a pattern of single items that only this field knows

    @property
    def accepted(self) -> str:
        """What may stand in this field, for a message."""
        names = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.lowest}-{self.highest}{names}, *, lists, ranges, steps, H"

    def number(self, item: str) -> int | None:
        """Return the number that *item* stands for, or None."""
        if item.upper() in self.names:
            return self.names.index(item.upper()) + self.first_name
        if re.fullmatch(r"[0-9]{1,4}", item) and self.lowest <= int(item) <= self.highest:
            return int(item)
        return None


MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
FIELDS = (
    CronField("minute", 0, 59),
    CronField("hour", 0, 23),
    CronField("day of month", 1, 31, hashed_highest=28, extra=r"LW?"),  # every month has a 28th
    CronField("month", 1, 12, MONTHS, 1),
    CronField("day of week", 0, 7, DAYS, 0, hashed_highest=6, extra=r"[0-7](?:L|#[1-5])|[A-Z]{3}#[1-5]"),
)


def resolve_hash(text: str, seed: str) -> str:
    """Return *text* with each ``H`` replaced by numbers, the fields apart by single spaces.

    Raises:
        ConfigurationError: not five fields, or a range of ``H`` is wrong.
    """
    parts = text.split()
    if len(parts) != len(FIELDS):
        raise ConfigurationError(f"{text!r} has {len(parts)} fields; accepted are {FIVE_FIELDS}")
    resolved = [_resolve_part(part, field, seed, text) for part, field in zip(parts, FIELDS, strict=True)]
    if resolved[1] in ("*/1", "0-23"):
        resolved[1] = "*"
    return " ".join(resolved)


def check_fields(expression: str, text: str) -> None:
    """Prove that each field of the resolved *expression* is one that cron accepts.

    Raises:
        ConfigurationError: a field is wrong; it is named, and so is what it accepts. *text* is what the
            user wrote.
    """
    for part, field in zip(expression.split(), FIELDS, strict=True):
        for term in part.split(","):
            problem = _problem_of(term, field)
            if problem:
                raise _refused(text, field, problem)


def _resolve_part(part: str, field: CronField, seed: str, text: str) -> str:
    terms = [_resolve_term(term, field, seed, text) for term in part.split(",")]
    return ",".join(terms)


def _resolve_term(term: str, field: CronField, seed: str, text: str) -> str:
    match = HASHED.fullmatch(term)
    if match is None:
        return term
    low = int(match[1]) if match[1] else field.lowest
    high = int(match[2]) if match[2] else (field.hashed_highest or field.highest)
    if not field.lowest <= low <= high <= field.highest:
        raise _refused(text, field, f"the range of {term!r} is wrong")
    digest = hashlib.sha256(f"{seed}\0{field.name}".encode()).digest()
    drawn = int.from_bytes(digest[:8], "big")
    if match[3] is None:
        return str(low + drawn % (high - low + 1))
    step = int(match[3])
    if not 1 <= step <= high - low + 1:
        raise _refused(text, field, f"the step of {term!r} is wrong")
    return f"{low + drawn % step}-{high}/{step}"


def _problem_of(term: str, field: CronField) -> str | None:
    """Return what is wrong with one term of a list, or None."""
    body, slash, step = term.partition("/")
    size = field.highest - field.lowest + 1
    if slash and not (re.fullmatch(r"[0-9]{1,4}", step) and 1 <= int(step) <= size):
        return f"{step!r} is not a step between 1 and {size}"
    if body == "*" or (not slash and field.extra and re.fullmatch(field.extra, body.upper())):
        return None
    first, dash, last = body.partition("-")
    low, high = field.number(first), field.number(last) if dash else None
    if low is None or (dash and high is None):
        return f"{term!r} is not accepted"
    return f"the range {body!r} ends before it begins" if high is not None and high < low else None


def _refused(text: str, field: CronField, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"{field.name} of the cron expression {text!r}: {problem}; accepted: {field.accepted}"
    )
