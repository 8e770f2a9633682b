"""What a store learns: nothing it could read. What it could change: nothing that would go unnoticed."""

import base64
import os
import pwd
import random
import socket
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.workbench import FULL, Workbench, files_source, key_spec, read, write

from backup_manager.common.errors import BackupManagerError, KeyUnavailableError
from backup_manager.contract.backups import VerificationOutcome
from backup_manager.contract.requests import (
    BackupRequest,
    KeyProviderName,
    KeySpec,
    RepositoryAddress,
    VerifyRequest,
)
from backup_manager.engine.jobs.backup import run_backup
from backup_manager.engine.jobs.verify import verify_all, verify_backup
from backup_manager.engine.jobs.wiring import build_provider
from backup_manager.engine.repository.opening import open_secrets

WINDOW = 24  # bytes; the 16 of a header are the same in all objects of a kind
NEEDLES = {
    "content of a small file": b"the-secret-of-a-small-file",
    "content of a large file": b"the-secret-of-a-large-file",
    "name of a file": b"telling-name.txt",
    "name of a folder": b"telling-folder",
    "target of a link": b"telling-target",
    "name of an attribute": b"user.telling-attribute",
    "value of an attribute": b"value-of-the-attribute",
    "policy": b"telling-policy",
    "source": b"telling-source",
    "description": b"telling-description",
    "host": socket.gethostname().encode(),
    "user": pwd.getpwuid(os.getuid()).pw_name.encode(),
}
SHORTEST = 6  # bytes of a needle; what is shorter, as many a host's name, is found in random bytes too
OPEN_OBJECTS = ("config", "keys/")


@pytest.fixture
def source(bench: Workbench) -> bytes:
    root = bench.place + b"/telling-folder"
    path = write(root + b"/telling-name.txt", NEEDLES["content of a small file"] * 30)
    os.setxattr(path, NEEDLES["name of an attribute"], NEEDLES["value of an attribute"])
    write(root + b"/large", NEEDLES["content of a large file"] * 40_000)
    write(root + b"/noise", random.Random(12).randbytes(600_000))
    os.symlink(NEEDLES["target of a link"], root + b"/link")
    return root


def back_up(bench: Workbench, source: bytes) -> None:
    """Make a full and an incremental backup, a restore and a verification, so that there is one of everything."""
    requested = files_source(source, name="telling-source")
    request = BackupRequest("telling-policy", (requested,), description="telling-description")
    with bench.session() as session:
        run_backup(session, request, clock=bench.clock)
        write(source + b"/new", b"new")
        run_backup(session, request, clock=bench.clock)
        verify_backup(session, VerifyRequest("latest"))
    bench.restore(to=bench.place + b"/" + uuid.uuid4().hex.encode())


def test_nothing_readable_is_in_the_store(bench: Workbench, source: bytes) -> None:
    back_up(bench, source)
    with bench.session() as session:
        secrets = open_secrets(session.storage, build_provider(bench.address.key)).secrets
    key = read(os.fsencode(bench.address.key.value)).strip()
    hidden = {
        "key file": key,
        "key": bytes.fromhex(key.decode()),
        "master": secrets.master,
        "id key": secrets.id_key,
        "chunker seed": secrets.chunker_seed,
        "place": bench.place,
    }
    needles = {what: each for what, each in {**NEEDLES, **hidden}.items() if len(each) >= SHORTEST}
    objects = bench.objects()
    assert {name.split("/")[0] for name in objects} >= {
        "config",
        "keys",
        "packs",
        "index",
        "snapshots",
        "records",
    }
    for what, needle in needles.items():
        forms = {needle, needle.hex().encode(), base64.b64encode(needle).rstrip(b"="), needle[::-1]}
        found = [name for name, content in objects.items() for form in forms if form in content]
        assert found == [], what
        assert [name for name in objects if needle in name.encode()] == [], what


def test_equal_files_of_two_repositories_look_different(
    bench: Workbench, source: bytes, tmp_path: Path
) -> None:
    other = Workbench(RepositoryAddress(f"memory://{uuid.uuid4()}", key_spec(tmp_path)), bench.place)
    assert other.address.key == bench.address.key
    for each in (bench, other):
        back_up(each, source)
    first, second = bench.objects(), other.objects()
    assert set(first) & set(second) == {"config"}
    sealed = [content for name, content in first.items() if not name.startswith(OPEN_OBJECTS)]
    known = {content[at : at + WINDOW] for content in sealed for at in range(len(content) - WINDOW + 1)}
    for name, content in second.items():
        if not name.startswith(OPEN_OBJECTS):
            same = [at for at in range(len(content) - WINDOW + 1) if content[at : at + WINDOW] in known]
            assert same == [], name


def test_equal_content_stored_again_in_one_repository_looks_different(
    bench: Workbench, source: bytes
) -> None:
    """A pack that is written again, by a repetition of an interrupted run, shows no equal bytes."""
    back_up(bench, source)
    with bench.session() as session:
        packs = [name for name in bench.objects() if name.startswith(("packs/", "index/", "snapshots/"))]
        before = {name: session.storage.get(name) for name in packs}
        for name in packs:
            session.storage.delete(name)
    bench.back_up(source, type=FULL)
    known = {content[at : at + WINDOW] for content in before.values() for at in range(0, len(content), 5)}
    for name, content in bench.objects().items():
        if name.startswith("packs/"):
            assert not any(content[at : at + WINDOW] in known for at in range(len(content) - WINDOW + 1))


def test_ids_of_equal_files_differ_between_repositories(
    bench: Workbench, source: bytes, tmp_path: Path
) -> None:
    other = Workbench(RepositoryAddress(f"memory://{uuid.uuid4()}", key_spec(tmp_path)), bench.place)
    hashes = []
    for each in (bench, other):
        each.back_up(source)
        content = each.entries()[source + b"/telling-name.txt"][1]
        assert content is not None
        hashes.append(content.hash)
    assert hashes[0] != hashes[1]


def test_errors_never_tell_the_key(bench: Workbench, source: bytes, tmp_path: Path) -> None:
    bench.back_up(source)
    wrong = key_spec(tmp_path, "another")
    stranger = Workbench(replace(bench.address, key=wrong), bench.place)
    with pytest.raises(KeyUnavailableError) as caught, stranger.session():
        pass
    told = "".join((str(caught.value), repr(caught.value), caught.value.solution))
    for spec in (wrong, bench.address.key):
        assert read(os.fsencode(spec.value)).decode().strip() not in told


@pytest.fixture
def plain(bench: Workbench) -> Workbench:
    """A repository without encryption."""
    return Workbench(replace(bench.address, key=KeySpec(KeyProviderName.NONE)), bench.place)


def test_a_repository_without_encryption_says_so(plain: Workbench, bench: Workbench, source: bytes) -> None:
    plain.back_up(source)
    with plain.session() as session:
        assert not session.encrypted
    assert b'"encryption": "disabled"' in plain.objects()["config"]
    # Neither does a key make it look encrypted, nor does the lack of one open what is.
    with pytest.raises(KeyUnavailableError), bench.session():
        pass


def test_an_encrypted_repository_does_not_open_without_its_key(bench: Workbench, source: bytes) -> None:
    bench.back_up(source)
    keyless = Workbench(replace(bench.address, key=KeySpec(KeyProviderName.NONE)), bench.place)
    with pytest.raises(KeyUnavailableError), keyless.session():
        pass


def test_damage_is_found_without_encryption_too(plain: Workbench, source: bytes) -> None:
    plain.back_up(source)
    with plain.session() as session:
        storage = session.storage
    for name, content in plain.objects().items():
        for at in (0, len(content) // 2, len(content) - 1):
            flipped = bytearray(content)
            flipped[at] ^= 0x10
            storage.put(name, [flipped])
            assert damage_is_found(plain), (name, at)
        storage.put(name, [content])
    assert not damage_is_found(plain)


def damage_is_found(bench: Workbench) -> bool:
    try:
        with bench.session() as session:
            return verify_all(session).result is not VerificationOutcome.PASSED
    except BackupManagerError:
        return True
