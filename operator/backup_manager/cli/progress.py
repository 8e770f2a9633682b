"""How a long run is watched: bars at a terminal, silence in a pipe, and the way to stop it."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from backup_manager.cli.call import Call
from backup_manager.contract.requests import Hooks


@dataclass(frozen=True, slots=True)
class Watch:
    """The hooks of a run; *begin* tells which piece of work comes now."""

    hooks: Hooks
    begin: Callable[[str], None] = lambda _title: None


@contextmanager
def watched(call: Call, title: str) -> Iterator[Watch]:
    """Yield the watch of a run: signals end it by its own asking, and a terminal shows how far it is."""
    stopping, console = call.surroundings.stopping, call.console
    with stopping.polled():
        if not console.has_live_errors or call.environment.get("TERM") == "dumb":
            yield Watch(Hooks(cancelled=stopping.requested))
            return
        bars = importlib.import_module("backup_manager.cli.progress_bars")
        with bars.live_progress(console.error_stream, title) as live, console.lines_above(live.say):
            yield Watch(Hooks(progress=live.take, cancelled=stopping.requested), live.begin)
