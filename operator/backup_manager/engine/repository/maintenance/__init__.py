"""Maintenance: frees what no backup needs any more, beside writers, readers and other maintainers.

The protocol that it follows is stated in ``backup_manager.engine.repository.protocol``. One run carries out the
plans that have waited for the grace period, makes a new one, and removes what interrupted runs have left.
Memory: the index without its small files, and three bits for each blob.
"""

from backup_manager.engine.repository.maintenance.run import (
    MaintenancePlan,
    MaintenanceReport,
    plan_maintenance,
    run_maintenance,
)
from backup_manager.engine.repository.maintenance.settings import MaintenanceOptions

__all__ = [
    "MaintenanceOptions",
    "MaintenancePlan",
    "MaintenanceReport",
    "plan_maintenance",
    "run_maintenance",
]
