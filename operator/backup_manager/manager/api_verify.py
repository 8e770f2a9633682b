"""Verifying, for those who may not import the engine."""

from backup_manager.engine.jobs.verify import verify_all, verify_backup
from backup_manager.manager.access import opened

__all__ = ["opened", "verify_all", "verify_backup"]
