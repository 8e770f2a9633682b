"""Write the golden repository of the present format, with its keys and what it must restore to.

``python -m tests.golden.make_repository tests/golden/format-1``, as root, for devices and owners. A repository that was
checked in is never made again: a new format gets a folder of its own beside the old ones.
"""

import hashlib
import json
import os
import random
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from backup_manager.contract.backups import BackupType, Check
from backup_manager.contract.requests import (
    BackupRequest,
    FilesRequest,
    KeyProviderName,
    KeySpec,
    RepositoryAddress,
    RestoreRequest,
    VerifyRequest,
)
from backup_manager.engine.jobs.backup import run_backup
from backup_manager.engine.jobs.catalogue import delete_backups
from backup_manager.engine.jobs.keys import add_slot
from backup_manager.engine.jobs.maintain import maintain
from backup_manager.engine.jobs.restore import run_restore
from backup_manager.engine.jobs.verify import verify_backup
from backup_manager.engine.jobs.wiring import Session, open_session
from backup_manager.engine.keys.local import generate_key_file
from backup_manager.engine.repository.collection import Parts
from backup_manager.engine.repository.intents import Intent, intent_collection, join_names

SCRATCH = Path("/tmp/backup-manager-golden")  # its path is in the catalogue: the same wherever this runs
SOURCE = SCRATCH / "source"
POLICY, SOURCE_NAME = "golden", "files"
FIRST_RUN = 1_800_000_000.25  # 2027-01-15T08:00:00Z
TIMES_NS = (1_700_000_000_123_456_789, -1_000_000_001, 1, 4_102_444_800_000_000_001)
HOLE, PIECE, PIECES = 64 * 1024, 4 * 1024, 520  # more holes than an entry holds: a chunk list is written
Manifest = dict[str, dict[str, object]]


def build_source(root: bytes) -> None:
    """Make a tree with a few of everything; each run of this function makes the same, inodes and ctimes apart."""
    noise = random.Random(1)
    _write(root + b"/empty", b"")
    _write(root + b"/large", b"".join(b"%d. line of a large file\n" % line for line in range(30_000)))
    _write(root + b"/noise", noise.randbytes(20_000))
    for number in range(40):
        _write(
            b"%s/small/%d/%02d" % (root, number % 3, number), noise.randbytes(number * 20) + b"text " * number
        )
    _write(root + b"/names/new\nline", b"1")
    _write(root + b"/names/not utf-8 \xff\xfe", b"2")
    _write(root + b"/names/" + b"n" * 255, b"3")
    _write(root + b"/" + b"/".join(b"level %d" % level for level in range(60)) + b"/bottom", b"deep")
    with open(root + b"/sparse", "wb") as file:
        for piece in range(PIECES):
            file.seek(piece * (HOLE + PIECE) + HOLE)
            file.write(b"between two holes\n" * (PIECE // 18))
    os.link(root + b"/noise", root + b"/small/linked")
    for name, target in (
        (b"relative", b"large"),
        (b"dangling", b"nowhere \xff"),
        (b"absolute", b"/etc/hostname"),
    ):
        os.symlink(target, root + b"/" + name)
    os.mkfifo(root + b"/fifo")
    os.makedirs(root + b"/empty folder")
    os.mknod(root + b"/character", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(root + b"/block", 0o660 | stat.S_IFBLK, os.makedev(240, 70_000))
    os.setxattr(root + b"/large", b"user.binary", bytes(range(256)))
    os.chown(root + b"/large", 1234, 2_000_000_001)
    os.chmod(root + b"/large", 0o4751)
    os.chmod(root + b"/small", 0o1777)
    _set_times(root)


def change_source(root: bytes) -> None:
    """Make what an incremental backup is for."""
    _write(root + b"/small/0/00", b"changed")
    _write(root + b"/!first", b"in front of all others")
    os.unlink(root + b"/small/1/01")
    os.rename(root + b"/small/2", root + b"/small/renamed")
    os.chmod(root + b"/noise", 0o600)
    os.unlink(root + b"/fifo")
    os.mkdir(root + b"/fifo")
    _set_times(root)


def describe(root: bytes) -> Manifest:
    """Return what a restore must bring back, by path; bytes that are not UTF-8 are surrogate escapes."""
    found: Manifest = {}
    inodes: dict[int, str] = {}
    for path in _below(root):
        status = os.lstat(path)
        name = os.fsdecode(os.path.relpath(path, root))
        entry: dict[str, object] = {
            "kind": stat.filemode(status.st_mode)[0],
            "mode": f"{stat.S_IMODE(status.st_mode):04o}",
            "owner": [status.st_uid, status.st_gid],
            "mtimeNs": status.st_mtime_ns,
        }
        if stat.S_ISREG(status.st_mode):
            with open(path, "rb") as file:
                entry |= {"size": status.st_size, "sha256": hashlib.sha256(file.read()).hexdigest()}
            entry["sparse"] = status.st_blocks * 512 < status.st_size // 2
            entry["linkOf"] = inodes.setdefault(status.st_ino, name)
        elif stat.S_ISLNK(status.st_mode):
            entry["target"] = os.fsdecode(os.readlink(path))
        elif status.st_rdev:
            entry["device"] = [os.major(status.st_rdev), os.minor(status.st_rdev)]
        attributes = {
            attribute: os.getxattr(path, attribute, follow_symlinks=False).hex()
            for attribute in os.listxattr(path, follow_symlinks=False)
            if attribute.startswith("user.")
        }
        found[name] = entry | ({"attributes": attributes} if attributes else {})
    return found


def make(target: Path) -> None:
    """Write repository, keys and manifest below *target*, which must not exist."""
    target.mkdir()
    SCRATCH.mkdir()
    try:
        generate_key_file(target / "key")
        (target / "passphrase").write_text("a golden passphrase\n")
        (target / "key").chmod(0o600)
        address = address_of(target)
        ticks = count()
        with open_session(address, create=True) as session:
            expected = _fill(session, target, lambda: FIRST_RUN + next(ticks))
        (target / "manifest.json").write_text(encode(expected), encoding="ascii")
    finally:
        shutil.rmtree(SCRATCH)


def encode(expected: list[dict[str, object]]) -> str:
    """Return JSON with one line for each entry, so that a change would show."""
    text = json.dumps(expected, sort_keys=True, separators=(",", ":"))
    return text.replace('},"', '},\n"') + "\n"


def address_of(folder: Path) -> RepositoryAddress:
    """Return the address of the golden repository in *folder*, to be opened by its key file."""
    return RepositoryAddress(str(folder / "repository"), KeySpec(KeyProviderName.LOCAL, str(folder / "key")))


def _fill(session: Session, target: Path, clock: Callable[[], float]) -> list[dict[str, object]]:
    """Take a full and an incremental backup, with one of every other object; return what they must restore to."""
    root = os.fsencode(SOURCE)
    request = BackupRequest(POLICY, (FilesRequest(SOURCE_NAME, (str(SOURCE),)),), description="golden")
    expected: list[dict[str, object]] = []
    for kind, prepare in ((BackupType.FULL, build_source), (BackupType.INCREMENTAL, change_source)):
        prepare(root)
        result = run_backup(session, replace(request, type=kind), clock=clock)
        totals = {"files": result.files, "directories": result.directories, "bytes": result.source_bytes}
        expected.append({"id": result.id, "type": kind.value, "totals": totals, "entries": describe(root)})
    add_slot(session, KeySpec(KeyProviderName.PASSPHRASE, str(target / "passphrase")), "recovery")
    verify_backup(session, VerifyRequest("latest", checks=tuple(Check)), clock=clock)
    run_restore(session, RestoreRequest("latest", to=str(SCRATCH / "restored")), clock=clock)
    _write(root + b"/doomed", b"only in a backup that is deleted, so that there is a plan\n" * 9)
    doomed = run_backup(session, replace(request, policy="doomed", type=BackupType.FULL), clock=clock)
    delete_backups(session, [doomed.id])
    _leave_plan_and_intent(session, target / "repository" / "packs")
    return expected


def _leave_plan_and_intent(session: Session, packs: Path) -> None:
    """Have maintenance plan what the deleted backup alone needed, and leave what a killed writer leaves."""
    for pack in packs.glob("*/*"):
        os.utime(pack, (0, 0))  # old enough to be planned
    maintain(session)
    names = [pack.name for pack in packs.glob("m/*")]
    repository = session.repository
    parts = Parts(session.storage, repository.vault, repository.compressor)
    intent_collection(parts).put_new(Intent(packs=join_names(names), host="golden"))


def _write(path: bytes, content: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def _below(root: bytes) -> Iterator[bytes]:
    for folder, folders, files in os.walk(root):
        folders.sort()
        yield from (os.path.join(folder, name) for name in sorted(folders + files))


def _set_times(root: bytes) -> None:
    """Give every entry a time of its own, the deepest first, so that making one does not touch another's."""
    for number, path in enumerate(reversed(list(_below(root)))):
        time = TIMES_NS[number % len(TIMES_NS)]
        os.utime(path, ns=(time, time), follow_symlinks=False)
    os.utime(root, ns=(0, TIMES_NS[0]))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
