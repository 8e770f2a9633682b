"""Restoring, for those who may not import the engine."""

from backup_manager.engine.jobs.restore import list_restores, plan_restore, run_restore
from backup_manager.manager.access import opened

__all__ = ["list_restores", "opened", "plan_restore", "run_restore"]
