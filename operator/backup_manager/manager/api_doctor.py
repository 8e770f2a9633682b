"""Examining a repository's address, for those who may not import the engine."""

from backup_manager.engine.jobs.probe import probe

__all__ = ["probe"]
