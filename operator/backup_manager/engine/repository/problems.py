"""Damage that was found and went on record, where raising would hide what else is wrong."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one stored object; *blob_id* says which blob of a pack it concerns."""

    object_name: str
    facts: str
    blob_id: bytes | None = None
