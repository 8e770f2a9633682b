"""Four writers that start at once where there is nothing: one repository, one key, four backups."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.integration.crash_process import children
from tests.integration.crash_stage import Stage
from tests.support.trees import describe_tree
from tests.unit.repository.keyed import UnconditionalStorage

from backup_manager.contract.requests import KeySpec
from backup_manager.engine.jobs.listing import list_backups
from backup_manager.engine.jobs.wiring import Session, build_provider
from backup_manager.engine.processors.compress import ZstdCompressor
from backup_manager.engine.processors.crypto import RepositoryVault
from backup_manager.engine.repository.creation import Surroundings
from backup_manager.engine.repository.repository import create_repository
from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.local import LocalStorage
from backup_manager.engine.storage.memory import MemoryStorage

WRITERS = 4


class HastyStage(Stage):
    """A stage whose creators wait a fifth of a second, instead of five, where a store has no conditions."""

    @contextmanager
    def session(
        self, storage: Storage, key: KeySpec | None = None, *, create: bool = False
    ) -> Iterator[Session]:
        """See ``Stage.session``."""
        del create
        repository = create_repository(
            storage,
            build_provider(key or self.key()),
            make_vault=RepositoryVault,
            make_compressor=ZstdCompressor,
            surroundings=Surroundings(settle_seconds=0.2),
        )
        yield Session(storage, repository, tuning=self.tuning)


def writers(first: Stage) -> list[Stage]:
    """Return four stages with sources that are alike in part."""
    stages = [first.beside(f"writer-{number}") for number in range(WRITERS)]
    for number, stage in enumerate(stages):
        stage.build_source(large=1, small=4)
        stage.change_source(number)
        stage.key()
    return stages


def in_threads(stages: list[Stage], storage: Storage) -> None:
    gate = threading.Barrier(WRITERS)

    def work(stage: Stage) -> None:
        gate.wait()
        stage.back_up(storage)

    threads = [threading.Thread(target=work, args=(stage,)) for stage in stages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_processes(stages: list[Stage], storage: Storage) -> None:
    works: list[Callable[[], object]] = [lambda stage=stage: stage.back_up(storage) for stage in stages]
    with children(*works) as running:
        assert [child.wait() for child in running] == [0] * WRITERS


def judge(stages: list[Stage], storage: Storage) -> None:
    """One key and four backups, each of its own source."""
    names = [info.name for info in storage.list("")]
    assert [name for name in names if name.startswith("config")] == ["config"]
    assert len([name for name in names if name.startswith("keys/")]) == 1
    with stages[0].session(storage) as session:
        backups = list_backups(session)
    assert {backup.policy for backup in backups} == {stage.policy for stage in stages}
    for backup in backups:
        source = next(stage.source for stage in stages if stage.policy == backup.policy)
        stages[0].trees[backup.id] = describe_tree(source)
    verified = stages[0].check(storage, [backup.id for backup in backups])
    assert len(verified.verifications) == WRITERS


@pytest.mark.parametrize("turns", [2, pytest.param(25, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("first", "make"),
    [
        pytest.param(Stage, lambda _: MemoryStorage(), id="memory"),
        pytest.param(HastyStage, lambda _: UnconditionalStorage(MemoryStorage()), id="unconditional"),
        pytest.param(Stage, lambda folder: LocalStorage(folder, create=True), id="folder"),
    ],
)
def test_four_threads_that_start_at_once_end_with_one_key(
    tmp_path: Path, first: type[Stage], make: Callable[[Path], Storage], turns: int
) -> None:
    stages = writers(first(tmp_path))
    for turn in range(turns):
        storage = make(tmp_path / f"repository-{turn}")
        storage.check()
        in_threads(stages, storage)
        judge(stages, storage)


@pytest.mark.parametrize("turns", [2, pytest.param(25, marks=pytest.mark.slow)])
def test_four_processes_that_start_at_once_end_with_one_key(tmp_path: Path, turns: int) -> None:
    stages = writers(Stage(tmp_path))
    for turn in range(turns):
        storage = LocalStorage(tmp_path / f"repository-{turn}", create=True)
        in_processes(stages, storage)
        judge(stages, storage)
