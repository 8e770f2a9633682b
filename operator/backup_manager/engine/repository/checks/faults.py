"""Facts about damage, counted; the first few are kept word by word."""

KEPT = 20  # of perhaps millions that one missing pack may cause


class Faults:
    """What was found to be wrong; false as long as that is nothing. For one thread."""

    def __init__(self, kept: int = KEPT) -> None:
        self._most_kept = kept
        self._kept: list[str] = []
        self.count = 0

    def __bool__(self) -> bool:
        return self.count > 0

    @property
    def kept(self) -> tuple[str, ...]:
        """The first facts, in the order in which they were found."""
        return tuple(self._kept)

    def add(self, facts: str) -> None:
        """Count one fault."""
        self.count += 1
        if len(self._kept) < self._most_kept:
            self._kept.append(facts)

    def extend(self, other: "Faults") -> None:
        """Count all that *other* has counted."""
        self._kept += other.kept[: self._most_kept - len(self._kept)]
        self.count += other.count

    def told(self, most: int = 5) -> str:
        """Return the first *most* facts as one clause, and how many there are beyond them."""
        facts = "; ".join(self._kept[:most])
        more = self.count - min(most, len(self._kept))
        return f"{facts}; and {more} more" if more else facts
