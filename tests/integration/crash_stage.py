"""A small repository with a history in any store, and what must hold of it whatever happened to it."""

import os
import random
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.integration.workbench import AheadClock, files_source, key_spec, write
from tests.support.trees import Facts, describe_tree

from backup_manager.common.errors import BucketMissingError, RepositoryMissingError
from backup_manager.contract.backups import BackupResult, BackupType
from backup_manager.contract.requests import BackupRequest, Hooks, KeySpec, RestoreRequest, RestoreTarget
from backup_manager.contract.results import VerificationOutcome, VerifyAllResult
from backup_manager.engine.jobs.backup import run_backup
from backup_manager.engine.jobs.listing import list_backups
from backup_manager.engine.jobs.maintain import PruneTotals, maintain
from backup_manager.engine.jobs.restore import run_restore
from backup_manager.engine.jobs.verify import verify_all
from backup_manager.engine.jobs.wiring import Session, Tuning
from backup_manager.engine.repository.index import load_index
from backup_manager.engine.repository.names import PackKind
from backup_manager.engine.storage.base import Storage
from backup_manager.manager.access import StoredRepository, opened

KIB = 1024
TUNING = Tuning(closed_at_bytes={PackKind.DATA: 400 * KIB, PackKind.METADATA: 1}, shard_packs=3)

Tree = tuple[dict[bytes, Facts], set[frozenset[bytes]]]


@dataclass
class Stage:
    """One source below *folder*, keys, and what the source looked like, by the ids of its backups.

    Stages of one repository, with a source and a policy each, share the folder of the *keys* and the *trees*.
    """

    folder: Path
    keys: Path | None = None
    policy: str = "data"
    tuning: Tuning = TUNING
    clock: AheadClock = field(default_factory=AheadClock)
    trees: dict[str, Tree] = field(default_factory=dict)

    @property
    def source(self) -> bytes:
        """The folder that is backed up."""
        return os.fsencode(self.folder / "source")

    def key(self, name: str = "key") -> KeySpec:
        """Return the key of that name, made when it is first asked for."""
        return key_spec(self.keys or self.folder, name)

    def build_source(self, *, large: int = 3, small: int = 12) -> None:
        """Write some files of a chunk or two each, and small ones for more than one frame."""
        noise = random.Random(7)
        for number in range(large):
            write(self.source + b"/large/%d" % number, noise.randbytes(500 * KIB))
        for number in range(small):
            write(self.source + b"/small/%02d" % number, noise.randbytes(200 * KIB))

    def change_source(self, seed: int) -> None:
        """Write one large and one small file anew and add two; equal seeds make equal changes."""
        noise = random.Random(seed)
        write(self.source + b"/large/0", noise.randbytes(300 * KIB))
        write(self.source + b"/small/%02d" % noise.randrange(12), noise.randbytes(50 * KIB))
        write(self.source + b"/added %d" % seed, noise.randbytes(80 * KIB))
        write(self.source + b"/added large %d" % seed, noise.randbytes(300 * KIB))

    @contextmanager
    def session(
        self, storage: Storage, key: KeySpec | None = None, *, create: bool = False
    ) -> Iterator[Session]:
        """Open *storage* as a new process would: nothing is kept from earlier sessions."""
        with opened(StoredRepository(storage, key or self.key()), create=create) as session:
            yield replace(session, tuning=self.tuning)

    def beside(self, policy: str) -> "Stage":
        """Return another stage of the same repository."""
        folder = self.folder / policy
        folder.mkdir()
        return replace(self, folder=folder, keys=self.keys or self.folder, policy=policy)

    def back_up(
        self,
        storage: Storage,
        kind: BackupType | None = None,
        *,
        key: KeySpec | None = None,
        hooks: Hooks | None = None,
    ) -> BackupResult:
        """Back the source up and remember what it looked like."""
        with self.session(storage, key, create=True) as session:
            request = BackupRequest(self.policy, (files_source(self.source),), kind)
            result = run_backup(session, request, hooks, clock=self.clock)
        self.trees[result.id] = describe_tree(self.source)
        return result

    def maintain(self, storage: Storage, grace_seconds: float, removed: Collection[str] = ()) -> PruneTotals:
        """Remove those of the backups *removed* that are still there, then maintain."""
        with self.session(storage) as session:
            listed = {backup.id for backup in list_backups(session) if backup.snapshot_id}
            going = [backup for backup in removed if backup in listed]
            return maintain(session, grace_seconds=grace_seconds, removed=going)

    def check(
        self, storage: Storage, expected: Collection[str], *, key: KeySpec | None = None
    ) -> VerifyAllResult:
        """Verify every byte, restore and compare every backup; the *expected* ones must be among them.

        A backup that is seen for the first time, of a run in a process of its own or one that was killed late, must
        be of the source as it is now.
        """
        with self.session(storage, key) as session:
            result = verify_all(session)
            found = {verification.backup for verification in result.verifications}
            assert set(expected) <= found
            assert (result.damaged, result.problems, result.inconclusive) == ((), (), ())
            assert {each.result for each in result.verifications} <= {VerificationOutcome.PASSED}
            for backup in found:
                tree = self.trees.get(backup) or describe_tree(self.source)
                assert self._restored(session, backup) == tree
                self.trees[backup] = tree
        return result

    def go_on(self, storage: Storage, older: Collection[str], kind: BackupType | None = None) -> int:
        """Back up after a kill, prove that nothing was stored in vain or twice, and return the bytes re-used.

        The backups that are *older* than what was killed must be as they were.
        """
        before = self.stored_blobs(storage)
        if before or older:
            self.check(storage, older)
        result = self.back_up(storage, kind)
        after = self.stored_blobs(storage)
        assert before.items() <= after.items()
        assert result.added_bytes == sum(after.values()) - sum(before.values())
        verified = self.check(storage, {*older, result.id})
        assert [name for name in verified.unneeded if name.startswith("packs/")] == []
        return sum(before.values())

    def bring_back(self, storage: Storage, backup: str) -> Tree:
        """Restore one backup, with the closing comparison, and return what it looks like."""
        with self.session(storage) as session:
            return self._restored(session, backup, verify=True)

    def _restored(self, session: Session, backup: str, *, verify: bool = False) -> Tree:
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            target = RestoreTarget("files", os.path.join(scratch, "restored"))
            run_restore(session, RestoreRequest(backup, targets=(target,), verify=verify))
            return describe_tree(os.fsencode(target.destination))

    def stored_blobs(self, storage: Storage) -> dict[bytes, int]:
        """Return the plain sizes of all blobs that a run started now would find; none is there twice.

        There are none as long as there is no repository.
        """
        try:
            with self.session(storage) as session:
                places = list(load_index(storage, session.repository.vault).entries())
        except (RepositoryMissingError, BucketMissingError):
            return {}
        sizes = {blob_id: place.plain_bytes for blob_id, place in places}
        assert len(sizes) == len(places)
        return sizes
