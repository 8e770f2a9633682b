"""Key files and key slots, for those who may not import the engine."""

from backup_manager.engine.jobs.keys import add_slot, list_slots, remove_slot, rotate
from backup_manager.engine.keys.local import generate_key_file
from backup_manager.manager.access import opened

__all__ = ["add_slot", "generate_key_file", "list_slots", "opened", "remove_slot", "rotate"]
