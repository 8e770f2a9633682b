"""A place to work in, open to every user, and repositories in memory and in a folder."""

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.workbench import Workbench, key_spec

from backup_manager.contract.requests import RepositoryAddress
from backup_manager.engine.storage.registry import open_storage


@pytest.fixture
def place() -> Iterator[bytes]:
    """An empty directory that every user may enter and write; pytest's own is closed to others."""
    path = os.fsencode(os.path.realpath(tempfile.mkdtemp(prefix="place-")))
    os.chmod(path, 0o777)
    yield path
    for folder, names, _ in os.walk(path):
        for name in names:
            if not os.path.islink(os.path.join(folder, name)):
                with contextlib.suppress(OSError):
                    os.chmod(os.path.join(folder, name), 0o700)
    shutil.rmtree(path)


@pytest.fixture
def bench(place: bytes, tmp_path: Path) -> Iterator[Workbench]:
    """A repository in memory, which is given back."""
    url = f"memory://{uuid.uuid4()}"
    yield Workbench(RepositoryAddress(url, key_spec(tmp_path)), place)
    storage = open_storage(url)
    for info in list(storage.list("")):
        storage.delete(info.name)


@pytest.fixture
def folder_bench(place: bytes, tmp_path: Path) -> Workbench:
    """A repository in a folder."""
    return Workbench(RepositoryAddress(str(tmp_path / "repository"), key_spec(tmp_path)), place)
