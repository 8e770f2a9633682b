"""What the tests of sources share."""

import contextlib
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
    for directory, names, _ in os.walk(path):
        for name in names:  # opened before os.walk comes to them; too deep ones are open already
            if not os.path.islink(os.path.join(directory, name)):
                with contextlib.suppress(OSError):
                    os.chmod(os.path.join(directory, name), 0o700)
    shutil.rmtree(path)


@pytest.fixture
def problems() -> Problems:
    return Problems()
