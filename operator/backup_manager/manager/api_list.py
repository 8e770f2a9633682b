"""Listing and describing backups, for those who may not import the engine."""

from backup_manager.engine.jobs.listing import describe_backup, list_backups
from backup_manager.manager.access import opened

__all__ = ["describe_backup", "list_backups", "opened"]
