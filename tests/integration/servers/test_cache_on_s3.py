"""A local cache in front of a bucket: the same answers, with fewer requests, whatever happened to it."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.servers.desk import Desk, expect, ids
from tests.support.program import COMMAND
from tests.support.requests_proxy import RequestsProxy, run_requests_proxy

pytestmark = pytest.mark.server

CACHE = "cache"


@pytest.fixture
def watched(desk: Desk) -> Iterator[RequestsProxy]:
    """What goes to the server from the working directory."""
    with run_requests_proxy(desk.server.endpoint) as proxy:
        desk.at(proxy.endpoint)
        yield proxy


def answers(desk: Desk, *options: str) -> dict[str, object]:
    """Return what the verbs that look into a repository say."""
    newest, oldest = ids()[0], ids()[-1]
    asked = {
        "list": ("list",),
        "info": ("info", oldest),
        "ls": ("ls", newest, str(desk.data / "sub")),
        "diff": ("diff", oldest, newest),
        "plan": ("restore", oldest, "--to", "nowhere", "--dry-run"),
    }
    found: dict[str, object] = {
        name: expect(0, *options, *args, "-o", "json").document for name, args in asked.items()
    }
    found["cat"] = expect(0, *options, "cat", oldest, f"{desk.data}/hello.txt").raw_out
    for document in (found["info"], found["plan"]):
        assert isinstance(document, dict)
        document.pop("location", None)  # it names the proxy
    return found


def cache_files(folder: Path) -> list[Path]:
    return [path for path in (folder / CACHE).rglob("*") if path.is_file()]


def test_a_cold_and_a_warm_cache_answer_as_none_does(desk: Desk, watched: RequestsProxy) -> None:
    without = answers(desk)
    watched.take()

    assert answers(desk, "--cache-dir", CACHE) == without
    cold = watched.take()
    assert answers(desk, "--cache-dir", CACHE) == without
    warm = watched.take()

    assert warm["GET"] < cold["GET"]
    assert cache_files(desk.folder)


def test_a_warm_cache_saves_each_verb_requests(desk: Desk, watched: RequestsProxy) -> None:
    newest, oldest = ids()
    saved = {}
    for args in (("list",), ("ls", newest, str(desk.data)), ("diff", oldest, newest)):
        watched.take()
        expect(0, *args)
        without = watched.take().total()
        expect(0, "--cache-dir", CACHE, *args)
        watched.take()
        expect(0, "--cache-dir", CACHE, *args)
        saved[args[0]] = without - watched.take().total()

    assert all(count > 0 for count in saved.values()), saved


def test_a_run_with_a_cache_reads_nothing_of_the_last_backup_again(
    desk: Desk, watched: RequestsProxy
) -> None:
    expect(0, "--cache-dir", CACHE, "run")
    watched.take()
    expect(0, "run")
    without = watched.take()["GET"]

    (backup,) = expect(0, "--cache-dir", CACHE, "run", "-o", "json").document

    assert watched.take()["GET"] < without
    assert (backup["status"], backup["addedBytes"]) == ("Succeeded", 0)


def test_a_stale_cache_sees_what_others_did(desk: Desk, watched: RequestsProxy) -> None:
    answers(desk, "--cache-dir", CACHE)
    expect(0, "run", "--type", "full")
    expect(0, "prune", "--grace", "0s")  # packs and index shards that the cache knows are gone
    expect(0, "run")

    assert answers(desk, "--cache-dir", CACHE) == answers(desk)
    (run,) = expect(0, "--cache-dir", CACHE, "run", "-o", "json").document
    assert run["status"] == "Succeeded"
    assert expect(0, "--cache-dir", CACHE, "verify", "--all", "-o", "json").document["result"] == "Passed"


def test_a_cache_that_was_deleted_is_built_again(desk: Desk, watched: RequestsProxy) -> None:
    before = answers(desk, "--cache-dir", CACHE)
    shutil.rmtree(desk.folder / CACHE)

    assert answers(desk, "--cache-dir", CACHE) == before
    assert cache_files(desk.folder)


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied", "swapped"])
def test_a_damaged_cache_is_not_believed(desk: Desk, watched: RequestsProxy, damage: str) -> None:
    before = answers(desk, "--cache-dir", CACHE)
    files = cache_files(desk.folder)
    contents = [path.read_bytes() for path in files]
    for number, (path, content) in enumerate(zip(files, contents, strict=True)):
        middle = len(content) // 2
        path.write_bytes(
            {
                "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
                "cut": content[:middle],
                "emptied": b"",
                "swapped": contents[number - 1],
            }[damage]
        )

    assert answers(desk, "--cache-dir", CACHE) == before
    expect(0, "--cache-dir", CACHE, "restore", "latest", "--to", "out")


def test_a_cache_that_cannot_be_written_is_no_obstacle(desk: Desk, watched: RequestsProxy) -> None:
    (desk.folder / "a-file").write_bytes(b"in the way")

    assert answers(desk, "--cache-dir", "a-file/cache") == answers(desk)
    (run,) = expect(0, "--cache-dir", "a-file/cache", "run", "-o", "json").document
    assert run["status"] == "Succeeded"


def test_nothing_readable_lies_in_the_cache(desk: Desk, watched: RequestsProxy) -> None:
    answers(desk, "--cache-dir", CACHE)

    stored = b"".join(path.read_bytes() for path in cache_files(desk.folder))
    for secret in (b"hello.txt", b"small-1", os.fsencode(desk.data), b"policy", b"files-20"):
        assert secret not in stored


def test_two_processes_share_a_cache(desk: Desk) -> None:
    newest, oldest = ids()
    commands = (
        ["--cache-dir", CACHE, "diff", oldest, newest, "-o", "json"],
        ["--cache-dir", CACHE, "verify", newest, "-o", "json"],
        ["--cache-dir", CACHE, "ls", oldest, str(desk.data / "sub"), "-o", "json"],
    )
    running = [
        subprocess.Popen([*COMMAND, *args], cwd=desk.folder, env=desk.environment, stdout=subprocess.PIPE)
        for args in commands
        for _ in range(2)
    ]

    ended = [(process.communicate(timeout=60)[0], process.returncode) for process in running]

    assert [code for _, code in ended] == [0] * len(running)
    for first, second in zip(ended[::2], ended[1::2], strict=True):
        assert without_time(json.loads(first[0])) == without_time(json.loads(second[0]))
    assert without_time(json.loads(ended[0][0])) == expect(0, *commands[0][2:]).document


def without_time(document: object) -> object:
    if isinstance(document, dict):
        document.pop("time", None)
    return document
