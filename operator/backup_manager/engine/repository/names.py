"""Names of objects: random, hexadecimal, told apart by their folder."""

import os
import re
from collections.abc import Callable
from enum import StrEnum

from backup_manager.engine.repository.ports import ObjectKind

NAME = re.compile(r"[0-9a-f]{32}")
NAME_BYTES = 16
PACKS_PREFIX = "packs/"
INDEX_PREFIX = "index/"


class PackKind(StrEnum):
    """What a pack holds, and the folder below ``packs/`` that it lies in."""

    DATA = "d"
    METADATA = "m"


def random_name(random_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """Return a new name of 128 random bits, as 32 hexadecimal digits."""
    return random_bytes(NAME_BYTES).hex()


def pack_object(name: str, kind: PackKind) -> str:
    """Return the full name of a pack's object, such as ``packs/d/<name>``."""
    return f"{PACKS_PREFIX}{kind.value}/{name}"


def parse_pack_object(object_name: str) -> tuple[str, PackKind] | None:
    """Return name and kind of a pack's object, or ``None`` for anything else."""
    folder, _, name = object_name.rpartition("/")
    if not NAME.fullmatch(name):
        return None
    for kind in PackKind:
        if folder == f"{PACKS_PREFIX}{kind.value}":
            return name, kind
    return None


def document_object(kind: ObjectKind, name: str) -> str:
    """Return the full name of a sealed document's object, such as ``index/<name>``."""
    return f"{kind.value}/{name}"


def parse_document_object(kind: ObjectKind, object_name: str) -> str | None:
    """Return the random name of a sealed document of *kind*, or ``None`` for anything else."""
    folder, _, name = object_name.rpartition("/")
    return name if folder == kind.value and NAME.fullmatch(name) else None
