"""``config`` and key ring as the store holds them now: authentic, and not older selves of themselves."""

from collections.abc import Iterable

from backup_manager.common.errors import KeyUnavailableError
from backup_manager.engine.repository.config import check_config, decode_config
from backup_manager.engine.repository.keyring import KeyRing, check_generation, check_ring, decode_ring
from backup_manager.engine.repository.opening import Opened, read_config, read_newest_ring
from backup_manager.engine.repository.signed_json import PUT_IT_BACK
from backup_manager.engine.storage.base import Storage


def read_identity(storage: Storage, opened: Opened, generations: Iterable[int]) -> KeyRing:
    """Return the key ring that rules now, after it and ``config`` were proved.

    *generations* are those under which anything in the repository was stored.

    Raises:
        KeyUnavailableError: one of them is damaged, missing, another repository's, or was put back to an
            older self.
    """
    stored = read_config(storage)
    found = decode_config(stored)
    if found != opened.config:
        raise KeyUnavailableError(
            f"config says repository {found.id}, and {opened.config.id} was opened", solution=PUT_IT_BACK
        )
    check_config(stored, opened.secrets)
    name, stored_ring = read_newest_ring(storage, opened.config.id)
    check_ring(name, stored_ring, opened.secrets)
    ring = decode_ring(name, stored_ring)
    check_generation(ring, max(generations, default=0))
    return ring
