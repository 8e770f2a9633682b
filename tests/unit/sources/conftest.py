"""What the tests of sources share."""

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

from backup_manager.engine.sources.filesystem.problems import Problems


@pytest.fixture
def place() -> Iterator[bytes]:
    """An empty directory that every user may enter; pytest's own is closed to others."""
    path = os.fsencode(os.path.realpath(tempfile.mkdtemp(prefix="place-")))
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def problems() -> Problems:
    return Problems()
