"""What a maintenance run is told."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from backup_manager.engine.repository.intents import INTENT_LIFE_SECONDS
from backup_manager.engine.repository.protocol import running_clock

GRACE_SECONDS = 24 * 60 * 60
MOST_REWRITTEN_BYTES = 4 * 2**30  # about two minutes of one core, and of a fast network


@dataclass(frozen=True, slots=True)
class MaintenanceOptions:
    """Bounds, time and randomness.

    With *grace_seconds* 0 what is planned is deleted in the same call. That loses nothing, but it ends runs
    and readings that use what is deleted, so the caller promises that there are none. *max_rewrite_bytes* bounds
    what is copied out of sparse packs. *repository_id* and
    *key_generation* are those of the opened key ring: without them, other rings are left alone.
    *without_snapshots* counts the snapshots of these names as deleted: for plans of what is to come alone.
    *clock* only serves runs that write nothing: else the time is the store's.
    """

    grace_seconds: float = GRACE_SECONDS
    life_seconds: float = INTENT_LIFE_SECONDS
    max_rewrite_bytes: int = MOST_REWRITTEN_BYTES
    without_snapshots: frozenset[str] = frozenset()
    repository_id: str = ""
    key_generation: int = 0
    clock: Callable[[], float] = time.time
    clocks: tuple[Callable[[], float], ...] = (running_clock, time.time)
    random_bytes: Callable[[int], bytes] = os.urandom

    @property
    def acts_within_seconds(self) -> float:
        """How old what was read may be when something is deleted because of it."""
        return self.life_seconds / 2
