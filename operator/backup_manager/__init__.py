"""Backup Manager: automated backup, verification and recovery for databases and files.

The names of the Python API are here; what is behind them is imported when one of them is first used.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backup_manager.manager.facade import (
        AwsKms,
        Backup,
        BackupManager,
        Backups,
        Check,
        Database,
        Files,
        LocalKey,
        LocalStorage,
        NoEncryption,
        Passphrase,
        Restore,
        RetentionPolicy,
        S3Storage,
        Verification,
    )

__all__ = [
    "AwsKms",
    "Backup",
    "BackupManager",
    "Backups",
    "Check",
    "Database",
    "Files",
    "LocalKey",
    "LocalStorage",
    "NoEncryption",
    "Passphrase",
    "Restore",
    "RetentionPolicy",
    "S3Storage",
    "Verification",
]


def __getattr__(name: str) -> object:
    """Return a name of the Python API, importing it now."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("backup_manager.manager.facade"), name)


def __dir__() -> list[str]:
    """Return the names of the API, too, before they are imported."""
    return sorted({*globals(), *__all__})
