"""What interrupted runs of every kind leave behind, and nobody will ask for."""

from collections.abc import Iterator

from backup_manager.engine.repository.collection import Parts
from backup_manager.engine.repository.creation import CANDIDATE_PREFIX
from backup_manager.engine.repository.intents import intent_collection
from backup_manager.engine.repository.keyring import RING_NAME
from backup_manager.engine.repository.maintenance.reading import View
from backup_manager.engine.repository.maintenance.settings import MaintenanceOptions
from backup_manager.engine.repository.plans import Plan, plan_collection
from backup_manager.engine.storage.base import Storage


def remove_leftovers(parts: Parts, view: View, options: MaintenanceOptions) -> int:
    """Remove expired intents, closed plans, old key rings and candidates, and parts of objects; their number.

    It goes by what *view* has found, so that nothing is removed that was put since.
    """
    intents = intent_collection(parts)
    for name in view.expired_intents:
        intents.delete(name)
    count = len(view.expired_intents) + _remove_closed_plans(parts, view, options)
    oldest = view.now - options.grace_seconds
    for name in (*_old_candidates(parts.storage, oldest), *_old_rings(parts.storage, oldest, options)):
        parts.storage.delete(name)
        count += 1
    return count + parts.storage.sweep(options.grace_seconds)


def close_damaged_plans(parts: Parts, view: View, options: MaintenanceOptions) -> None:
    """Put a mark for each plan that cannot be read: nobody can carry it out, and it stops every writer."""
    collection = plan_collection(parts)
    for damaged in view.board.damaged:
        if damaged.name not in view.board.closed_at:
            collection.put_new(Plan(closes=damaged.name), options.random_bytes)


def _remove_closed_plans(parts: Parts, view: View, options: MaintenanceOptions) -> int:
    board = view.board
    over = {name for name, at in board.closed_at.items() if view.now - at >= options.life_seconds}
    collection = plan_collection(parts)
    for name in sorted(over):
        collection.delete(name)
    for mark, closes in board.marks:  # after the plan: a plan without its mark would be carried out
        if closes in over:
            collection.delete(mark)
    return len(over)


def _old_candidates(storage: Storage, oldest: float) -> Iterator[str]:
    """Yield candidates for ``config``, of which one was elected; they go before their rings."""
    for info in list(storage.list(CANDIDATE_PREFIX)):
        if info.modified < oldest:
            yield info.name


def _old_rings(storage: Storage, oldest: float, options: MaintenanceOptions) -> Iterator[str]:
    """Yield rings of creators that lost, and generations before the one that has opened the repository."""
    if not options.repository_id:
        return
    for info in list(storage.list("keys/")):
        match = RING_NAME.fullmatch(info.name)
        if match is None or info.modified >= oldest:
            continue
        if match[1] != options.repository_id or int(match[2]) < options.key_generation:
            yield info.name
