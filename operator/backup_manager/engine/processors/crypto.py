"""Ids and sealing under a repository's secrets: keyed BLAKE3 and AES-256-GCM, the only door to both.

The format page of :mod:`~backup_manager.engine.repository` says which key, nonce and associated data
each segment has.
"""

import threading
from collections import OrderedDict

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backup_manager.common.errors import CorruptDataError
from backup_manager.engine.repository.ports import Buffer, ObjectKind
from backup_manager.engine.repository.secrets import Secrets, expand_key, extract_key

MEMBER_HASH_BYTES = 16
CACHED_SUBKEYS = 256  # packs open at once, in all threads; deriving one again costs about 4 us


class RepositoryVault:
    """The vault of one repository (``ports.Vault``); safe to use from several threads.

    It keeps the keys themselves in private attributes and shows none of them in its ``repr``.
    """

    def __init__(self, secrets: Secrets, repository_id: str) -> None:
        self._repository_id = repository_id
        self._id_key = secrets.id_key
        self._pseudo_random_key = extract_key(secrets.master, bytes.fromhex(repository_id))
        self._subkeys: OrderedDict[tuple[str, str], AESGCM] = OrderedDict()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"RepositoryVault({self._repository_id})"

    def blob_id(self, plain: Buffer) -> bytes:
        """Return the 32 bytes of keyed BLAKE3 over *plain*."""
        return blake3(plain, key=self._id_key).digest()

    def member_hash(self, plain: Buffer) -> bytes:
        """Return the 16 bytes that name a small file's content inside a frame."""
        return blake3(plain, key=self._id_key).digest(MEMBER_HASH_BYTES)

    def seal(self, kind: ObjectKind, name: str, number: int, plain: Buffer, header: bytes) -> bytes:
        """Return ciphertext and tag of segment *number*; never call it twice for one number of one name."""
        return self._subkey(kind, name).encrypt(
            number.to_bytes(12, "big"), plain, _associated(kind, name, header)
        )

    def open(self, kind: ObjectKind, name: str, number: int, sealed: Buffer, header: bytes) -> bytes:
        """Return the plain bytes; raises ``CorruptDataError`` when a single bit differs."""
        associated = _associated(kind, name, header)
        try:
            return self._subkey(kind, name).decrypt(number.to_bytes(12, "big"), sealed, associated)
        except InvalidTag as err:
            facts = (
                f"segment {number} of {kind} object {name} does not authenticate ({len(sealed)} bytes read)"
            )
            raise CorruptDataError(facts) from err

    def forget(self, kind: ObjectKind, name: str) -> None:
        """Drop the cached subkey of an object that is complete."""
        with self._lock:
            self._subkeys.pop((kind, name), None)

    def _subkey(self, kind: ObjectKind, name: str) -> AESGCM:
        with self._lock:
            known = self._subkeys.get((kind, name))
            if known is not None:
                self._subkeys.move_to_end((kind, name))
                return known
            subkey = AESGCM(expand_key(self._pseudo_random_key, f"{kind}/{name}"))
            self._subkeys[kind, name] = subkey
            if len(self._subkeys) > CACHED_SUBKEYS:
                self._subkeys.popitem(last=False)
            return subkey


def _associated(kind: ObjectKind, name: str, header: bytes) -> bytes:
    return header + f"{kind}/{name}".encode()
