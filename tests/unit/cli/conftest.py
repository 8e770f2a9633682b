"""A configuration file over a small tree, and a repository with two backups of it."""

import os
from pathlib import Path

import pytest
from tests.support.program import sirsinexus

CONFIGURATION = """\
backup_manager:
  storage: {type: local, path: ./repository}
  encryption: {provider: local, key_file: ./backup.key}
  retention: {keep_last: 1}
policies:
  files:
    sources: [{type: filesystem, paths: [./data], exclude: ["*.tmp"]}]
"""
HOSTILE = b"bad\xff\x1b[31m"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: ``backup.yaml``, a key and ``data``; no repository yet."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "backup.yaml").write_text(CONFIGURATION)
    (tmp_path / "data" / "sub").mkdir(parents=True)
    (tmp_path / "data" / "hello.txt").write_text("hello\n")
    (tmp_path / "data" / "sub" / "b").write_text("b")
    (tmp_path / "data" / "left.tmp").write_text("excluded")
    with open(os.fsencode(tmp_path / "data") + b"/" + HOSTILE, "wb") as file:
        file.write(b"x")
    assert sirsinexus("key", "generate", "backup.key").code == 0
    return tmp_path


@pytest.fixture
def backed_up(folder: Path) -> Path:
    """The same after a full and an incremental run."""
    for _ in range(2):
        ended = sirsinexus("run")
        assert ended.code == 0, ended.err
    return folder
