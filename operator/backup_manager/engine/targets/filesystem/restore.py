"""Files brought back from a backup, verified while they are written."""

from collections import deque
from collections.abc import Iterator
from contextlib import closing

from backup_manager.common.errors import CorruptDataError
from backup_manager.engine.repository.catalogue.entries import EntryKind
from backup_manager.engine.targets.filesystem.creators import Creators, Width
from backup_manager.engine.targets.filesystem.destination import Destination
from backup_manager.engine.targets.filesystem.gathering import Gatherer
from backup_manager.engine.targets.filesystem.linking import make_link
from backup_manager.engine.targets.filesystem.options import RestoreOptions, RestoreStats
from backup_manager.engine.targets.filesystem.ports import Contents, EntryStream
from backup_manager.engine.targets.filesystem.session import Session, build_session
from backup_manager.engine.targets.filesystem.window import Demand, Window, task_of


def restore(
    entries: EntryStream, contents: Contents, destination: Destination, options: RestoreOptions
) -> RestoreStats:
    """Make the tree of *entries* in *destination* and return what was done.

    The destination's state file stays, for the caller to remove by ``destination.finish()`` when nothing can
    fail any more. Called again for the same claim, it goes on: what is complete is kept.

    Raises:
        CorruptDataError: the catalogue or a blob is not what it should be.
        TargetUnusableError: something cannot be written.
        InterruptedRunError: ``options.cancelled`` said so.
    """
    session = build_session(contents, destination, options)
    creators = Creators(build_width(options), session.done)
    try:
        _Run(session, creators).through(Gatherer(session, entries).windows())
        return session.stats()
    except OverflowError as err:
        raise CorruptDataError(
            "the catalogue holds an owner, time or device that no system can have"
        ) from err
    finally:
        creators.close()
        session.close()


def build_width(options: RestoreOptions) -> Width:
    """Return the number of threads that write: a fixed one if that is asked for."""
    fixed = options.tuning.creators
    return Width(fixed, first=fixed) if fixed else Width(options.parallel)


class _Run:
    """Windows carried out while the blobs of the next ones are read.

    Blobs are asked for by a generator that the reader pulls at, ahead of what it yields; *due* holds what
    was asked for and not yet done: demands in the order of their blobs, each window behind its own.
    """

    def __init__(self, session: Session, creators: Creators) -> None:
        self._session = session
        self._creators = creators
        self._due: deque[Demand | Window] = deque()

    def through(self, windows: Iterator[Window]) -> None:
        """Carry out all *windows*."""
        with closing(self._session.contents.fetch_many(self._asked(windows))) as blobs:
            for plain in blobs:
                while isinstance(due := self._due.popleft(), Window):
                    self._complete(due)
                self._creators.do(task_of(due, self._session.files, plain))
        for due in self._due:
            if not isinstance(due, Window):
                raise CorruptDataError("the store gave fewer blobs than were asked for")
            self._complete(due)

    def _asked(self, windows: Iterator[Window]) -> Iterator[bytes]:
        for window in windows:
            for blob_id in self._session.contents.in_pack_order(window.demands):
                self._due.append(window.demands[blob_id])
                yield blob_id
            window.demands.clear()
            self._due.append(window)

    def _complete(self, window: Window) -> None:
        """Do what depends on the window's files being written."""
        session = self._session
        self._creators.wait()
        for file in window.finished:
            session.files.finish(file)
            session.done(0, 1)
        for link in window.links:
            make_link(session, link)
            if link.entry.kind == EntryKind.FILE:
                session.done(link.entry.size, 1)
            else:
                session.tally.others += 1
        for folder in window.left:
            session.nodes.finish_folder(folder)
