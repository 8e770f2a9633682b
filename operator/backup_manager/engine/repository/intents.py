"""Intents: what a writer is about to refer to, said before it commits, so that maintenance spares it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from backup_manager.engine.repository.collection import Collection, Parts
from backup_manager.engine.repository.names import NAME_BYTES
from backup_manager.engine.repository.ports import ObjectKind

INTENT_LIFE_SECONDS = 24 * 60 * 60  # part of the protocol: writers and maintainers have to agree on it


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """*packs* are raw names of 16 bytes each, one after another; *roots* are ids of catalogues.

    Everything in the packs, and everything that can be reached from the roots, is about to be referred to.
    """

    packs: bytes
    roots: tuple[bytes, ...] = ()
    host: str = ""


def intent_collection(parts: Parts) -> Collection[Intent]:
    """Return the collection of all intents."""
    return Collection(parts, ObjectKind.INTENT, Intent)


def join_names(names: Iterable[str]) -> bytes:
    """Return hexadecimal names as raw ones, sorted and joined: 10 MB for 10 TiB in packs of 16 MiB."""
    return b"".join(sorted(map(bytes.fromhex, names)))


def split_names(raw: bytes) -> Iterator[str]:
    """Yield the hexadecimal names that :func:`join_names` was given."""
    return (raw[at : at + NAME_BYTES].hex() for at in range(0, len(raw), NAME_BYTES))
