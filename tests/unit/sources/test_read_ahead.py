"""Small files are asked for ahead where reading them waits for the disk, and only there."""

import os
from pathlib import Path

from backup_manager.engine.sources.filesystem.read_ahead import (
    MEASURED_PAGE,
    SLOW_SECONDS,
    ReadAhead,
    ask_for,
)
from backup_manager.engine.sources.filesystem.walk import Found


def pages_asked_for(seconds: float, pages: int) -> list[int]:
    """Return the numbers of the pages that were asked for when each file takes *seconds* to read."""
    ahead = ReadAhead()
    asked: list[int] = []

    def files_of(page: int) -> list[Found]:
        asked.append(page)
        return []

    for _ in ahead.through(range(pages), files_of):
        ahead.note(seconds * 100, 100)
    return asked


def test_files_in_the_cache_are_not_asked_for() -> None:
    assert pages_asked_for(SLOW_SECONDS / 3, 40) == []


def test_slow_files_are_asked_for_but_for_the_pages_that_are_measured() -> None:
    asked = pages_asked_for(SLOW_SECONDS * 3, 40)
    assert asked == [page for page in range(2, 40) if (page + 1) % MEASURED_PAGE]


def test_without_need_no_page_is_looked_at_before_the_one_in_front_was_taken() -> None:
    seen: list[int] = []
    ahead = ReadAhead()
    for page in ahead.through((seen.append(n) or n for n in range(5)), lambda _page: []):
        assert seen[-1] == page
        ahead.note(0.0, 10)


def test_every_page_comes_once_in_its_order() -> None:
    ahead = ReadAhead()
    assert list(ahead.through(iter("abc"), lambda _page: [])) == ["a", "b", "c"]
    assert list(ahead.through([], lambda _page: [])) == []


def test_a_page_without_files_teaches_nothing() -> None:
    ahead = ReadAhead()
    ahead.note(1.0, 1)
    ahead.note(0.0, 0)
    asked: list[str] = []
    list(ahead.through("ab", lambda page: asked.append(page) or []))
    assert asked == ["b"]


def test_what_cannot_be_opened_is_left_to_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    stat = path.stat()
    ask_for([(os.fsencode(tmp_path / "gone"), stat), (os.fsencode(path), stat)])
    assert path.read_bytes() == b"content"
