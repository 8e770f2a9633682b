"""What ``doctor`` finds out about a repository's address: each thing looked at is one finding.

Nothing here raises for what it finds, and nothing but the store's own test object is written.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from backup_manager.common.errors import BackupManagerError, BucketMissingError, RepositoryMissingError
from backup_manager.common.units import format_duration, format_size
from backup_manager.contract.inspection import Finding, FindingLevel
from backup_manager.contract.requests import RepositoryAddress
from backup_manager.engine.jobs.wiring import build_provider
from backup_manager.engine.processors.compress import ZstdCompressor
from backup_manager.engine.processors.crypto import RepositoryVault
from backup_manager.engine.repository.config import CONFIG
from backup_manager.engine.repository.keyring import NO_ENCRYPTION, KeyProvider
from backup_manager.engine.repository.names import parse_document_object, parse_pack_object
from backup_manager.engine.repository.opening import ring_names
from backup_manager.engine.repository.ports import ObjectKind
from backup_manager.engine.repository.repository import Repository, open_repository
from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.registry import is_folder, open_storage

MOST_SKEW_SECONDS = 30.0
LITTLE_SPACE_BYTES = 1 << 30
LITTLE_SPACE_SHARE = 0.05
FOLDER_HINT = (
    "Mount its disk, or correct the path; for a new repository, `sirsinexus backup run` makes the folder."
)
DOCUMENT_KINDS = tuple(kind for kind in ObjectKind if kind is not ObjectKind.PACK)


def probe(address: RepositoryAddress) -> tuple[Finding, ...]:
    """Return what was found out about *address*, in the order in which a run would come to it."""
    return tuple(_findings(address))


def _findings(address: RepositoryAddress) -> Iterator[Finding]:
    provider: KeyProvider | None = None
    try:
        provider = build_provider(address.key)
        warnings = tuple(getattr(provider, "warnings", ()))
        yield from (_warning("key", text, "Correct what is named.") for text in warnings)
        if not warnings:
            is_none = provider.provider == NO_ENCRYPTION
            yield _ok("key", "none is used" if is_none else f"the {provider.provider} key can be read")
    except BackupManagerError as err:
        yield _error("key", err)
    yield from _cache_findings(address.cache_dir)
    try:
        began = time.perf_counter()
        storage = open_storage(address.url, address.options)
        storage.check()
    except BackupManagerError as err:
        if isinstance(err, BucketMissingError) and is_folder(address.url):
            err.solution = FOLDER_HINT
        yield _error("store", err)
        return
    properties = storage.properties
    yield _ok("store", f"{properties.location} answered in {format_duration(time.perf_counter() - began)}")
    yield from _property_findings(storage)
    if properties.local:
        yield from _space_findings(properties.location)
    if provider is not None:
        yield from _repository_findings(storage, provider)


def _property_findings(storage: Storage) -> Iterator[Finding]:
    properties = storage.properties
    if not properties.writable:
        yield _warning(
            "store", f"{properties.location} refuses writes", "Give the process write access, or only read."
        )
    if properties.conditional_put:
        yield _ok("conditional writes", "the store decides conditional writes itself")
    else:
        yield _warning(
            "conditional writes",
            "the store ignores conditions of writes; creating a repository and changing keys take some seconds more",
            "Nothing must be done: creators wait for each other, and end with one repository.",
        )
    skew = properties.clock_skew_seconds
    if abs(skew) > MOST_SKEW_SECONDS:
        direction = "ahead of" if skew > 0 else "behind"
        yield _warning(
            "clock",
            f"the store's clock is {format_duration(abs(skew))} {direction} this machine's",
            "Synchronise the clocks (NTP); times of backups would mislead.",
        )
    else:
        yield _ok("clock", f"the store's clock differs by {format_duration(abs(skew))}")


def _space_findings(location: str) -> Iterator[Finding]:
    try:
        usage = shutil.disk_usage(location)
    except OSError as err:
        yield Finding(FindingLevel.WARNING, "space", f"cannot ask for the free space: {err.strerror}")
        return
    facts = f"{format_size(usage.free)} of {format_size(usage.total)} are free at {location}"
    if usage.free < max(LITTLE_SPACE_BYTES, int(usage.total * LITTLE_SPACE_SHARE)):
        yield _warning("space", facts, "Free up space, or prune backups with `sirsinexus backup prune`.")
    else:
        yield _ok("space", facts)


def _cache_findings(cache_dir: str | None) -> Iterator[Finding]:
    if cache_dir is None:
        return
    folder = Path(cache_dir)
    nearest = next((path for path in (folder, *folder.absolute().parents) if path.exists()), folder)
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        yield _ok("cache", f"the cache {folder} can be written")
    else:
        yield _warning(
            "cache",
            f"the cache {folder} cannot be written; runs work without it, and read more from the store",
            "Correct --cache-dir, or give the process write access.",
        )


def _repository_findings(storage: Storage, provider: KeyProvider) -> Iterator[Finding]:
    try:
        repository = open_repository(
            storage, provider, make_vault=RepositoryVault, make_compressor=ZstdCompressor
        )
        yield _ok("repository", f"repository {repository.config.id} was opened by slot {repository.slot_id}")
        if not repository.config.is_encrypted:
            yield _warning(
                "encryption",
                "the repository is not encrypted: whoever reads the store reads the backups",
                "Create an encrypted repository and back up to it, if that is not intended.",
            )
        yield from _object_findings(storage, repository)
    except RepositoryMissingError as err:
        yield _warning("repository", err.facts, err.solution)
    except BackupManagerError as err:
        yield _error("repository", err)


def _object_findings(storage: Storage, repository: Repository) -> Iterator[Finding]:
    """Count the objects, and name those that are no part of the repository."""
    counts = dict.fromkeys(("snapshots", "packs", "index"), 0)
    strangers: list[str] = []
    size = 0
    rings = {name for _, name in ring_names(storage, repository.config.id)}
    for info in storage.list(""):
        size += info.size
        folder = info.name.partition("/")[0]
        if folder in counts:
            counts[folder] += 1
        if not _is_ours(info.name) and info.name not in rings:
            strangers.append(info.name)
    yield _ok(
        "objects",
        f"{counts['snapshots']} snapshots, {counts['packs']} packs, {counts['index']} index shards: "
        f"{format_size(size)} in all",
    )
    left_over = [*sorted(rings - {repository.ring.object_name}), *sorted(strangers)]
    if left_over:
        named = ", ".join(left_over[:5]) + (f" and {len(left_over) - 5} more" if len(left_over) > 5 else "")
        yield _warning(
            "left-overs",
            f"objects that are no part of the repository: {named}",
            "They do no harm; `sirsinexus backup prune` removes what interrupted runs left behind.",
        )


def _is_ours(name: str) -> bool:
    if name == CONFIG or parse_pack_object(name) is not None:
        return True
    return any(parse_document_object(kind, name) is not None for kind in DOCUMENT_KINDS)


def _ok(subject: str, facts: str) -> Finding:
    return Finding(FindingLevel.OK, subject, facts)


def _warning(subject: str, facts: str, solution: str) -> Finding:
    return Finding(FindingLevel.WARNING, subject, facts, solution)


def _error(subject: str, err: BackupManagerError) -> Finding:
    return Finding(FindingLevel.ERROR, subject, err.cause, err.solution, err.exit_code)
