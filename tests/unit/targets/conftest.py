"""A place to restore from and to."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def base(tmp_path: Path) -> bytes:
    """An empty directory, as bytes, that other users may enter and write."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    path = tmp_path / "base"
    path.mkdir()
    path.chmod(0o777)
    return os.fsencode(path)
