"""The import rules of the layout, enforced on every run."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "operator" / "backup_manager"
STACKS = {  # highest layer first; names in one tuple must not import each other either
    "backup_manager.": [
        ("cli",),
        ("handlers", "manager"),
        ("kube",),
        ("reconcile",),
        ("api",),
        ("contract",),
        ("common",),
    ],
    "backup_manager.engine.": [
        ("worker",),
        ("jobs",),
        ("sources", "targets"),
        ("processors",),
        ("keys",),
        ("repository",),
        ("storage",),
    ],
}
ENGINE_USERS = ("manager", "testing")  # the cluster-less driver and the exported suite; others use contract
ABOVE_ENGINE = ("cli", "handlers", "manager", "kube", "reconcile", "api", "testing")
DOORS = {
    "kopf": ("handlers/",),
    "kubernetes": ("kube/",),
    "boto3": ("engine/storage/s3", "engine/keys/aws_kms.py"),
    "botocore": ("engine/storage/s3", "engine/keys/aws_kms.py"),
    "zstandard": ("engine/processors/compress.py",),
    "cryptography": ("engine/processors/crypto.py", "engine/keys/"),
    "blake3": ("engine/processors/crypto.py",),
    "pyfastcdc": ("engine/processors/chunker.py",),
    "cronsim": ("reconcile/schedule.py",),
    "click": ("cli/",),
    "rich": ("cli/",),
    "yaml": ("manager/", "cli/", "api/"),
}
MOST_LINES = 300
FILES = sorted(ROOT.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Yield every dotted name a file imports, at module level or inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: use absolute imports"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def under(name: str, package: str) -> bool:
    return (name + ".").startswith(package + ".")


def forbidden(path: Path) -> Iterator[str]:
    """Yield the packages this file must not import."""
    me = "backup_manager." + ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for prefix, ranks in STACKS.items():
        for depth, rank in enumerate(ranks):
            for mine in (name for name in rank if under(me, prefix + name)):
                above = [name for higher in ranks[:depth] for name in higher]
                beside = [name for name in rank if name != mine]
                yield from (prefix + name for name in above + beside)
    if under(me, "backup_manager.engine"):
        yield from ("backup_manager." + part for part in ABOVE_ENGINE)
    elif me != "backup_manager.__init__" and not any(
        under(me, f"backup_manager.{user}") for user in ENGINE_USERS
    ):
        yield "backup_manager.engine"
    if under(me, "backup_manager.manager"):
        yield "backup_manager.kube"


def test_source_root_is_not_a_package() -> None:
    assert not (ROOT.parent / "__init__.py").exists()


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_file_imports_only_downwards(path: Path) -> None:
    banned = tuple(forbidden(path))
    assert [n for n in imported(path) if any(under(n, b) for b in banned)] == []


@pytest.mark.parametrize(("library", "doors"), DOORS.items())
def test_third_party_library_has_one_door(library: str, doors: tuple[str, ...]) -> None:
    users = [str(p.relative_to(ROOT)) for p in FILES if any(under(n, library) for n in imported(p))]
    assert [user for user in users if not user.startswith(doors)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_file_is_one_idea_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES


def test_a_guard_that_finds_no_file_guards_nothing() -> None:
    assert len(FILES) > 50
