"""What catalogues refer to: a bit for each blob, and the packs that hold them."""

from collections.abc import Callable

from backup_manager.common.errors import CorruptDataError
from backup_manager.engine.repository.index import Index, Location
from backup_manager.engine.repository.names import PackKind

IsSound = Callable[[bytes, Location], bool]


def _trust(_blob_id: bytes, _place: Location) -> bool:
    return True


class Needs:
    """The blobs that were asked for, out of those that *index* held when this was made. For one thread.

    A blob counts as held by the first of its packs that *is_sound* trusts with it.
    """

    def __init__(self, index: Index, is_sound: IsSound = _trust) -> None:
        self.index = index
        self.packs: dict[str, PackKind] = {}
        self.blobs = 0
        self._is_sound = is_sound
        self._marks = index.marks()

    def __contains__(self, blob_id: bytes) -> bool:
        return blob_id in self._marks

    def locate(self, blob_id: bytes) -> Location:
        """Note that the blob is needed, and return where it is.

        Raises:
            CorruptDataError: no pack holds it, or none that is sound.
        """
        is_new = self._marks.mark(blob_id)
        place = self.index.find(blob_id)
        if place is None or not self._is_sound(blob_id, place):
            place = self._elsewhere(blob_id, place)
        if is_new:
            self.blobs += 1
            self.packs[place.pack] = place.kind
        return place

    def _elsewhere(self, blob_id: bytes, first: Location | None) -> Location:
        places = self.index.locations(blob_id)
        for place in places:
            if self._is_sound(blob_id, place):
                return place
        for place in places:  # they are needed all the same: nobody should call them garbage
            self.packs[place.pack] = place.kind
        where = ", ".join(place.pack for place in places) or "none"
        raise CorruptDataError(
            f"blob {blob_id.hex()} is damaged in every pack that holds it ({where})"
            if first is not None
            else f"blob {blob_id.hex()} is in no pack"
        )
