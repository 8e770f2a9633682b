"""Retention, written again: slowly, asking of every backup whether it is the last of its periods."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from backup_manager.reconcile.retention import Candidate, RetentionRule


def periods_of(moment: datetime, zone: ZoneInfo) -> dict[str, tuple[object, ...]]:
    local = moment.astimezone(zone)
    thursday = local.date() - timedelta(days=local.date().weekday()) + timedelta(days=3)
    return {
        "keep_hourly": (local.year, local.month, local.day, local.hour, local.utcoffset()),
        "keep_daily": (local.year, local.month, local.day),
        "keep_weekly": (thursday.year, (thursday.timetuple().tm_yday - 1) // 7 + 1),
        "keep_monthly": (local.year, local.month),
        "keep_yearly": (local.year,),
    }


def kept_ids(backups: list[Candidate], rule: RetentionRule, zone: ZoneInfo) -> set[str]:
    """Return the ids that must be kept."""
    counts = {name: getattr(rule, name) for name in periods_of(datetime(2000, 1, 1, tzinfo=UTC), zone)}
    if rule.keep_last == 0 and all(count == 0 for count in counts.values()):
        return {backup.id for backup in backups}
    good = [backup for backup in backups if backup.succeeded]
    kept = {backup.id for backup in backups if backup.held}
    if len(good) == 1:
        kept.add(good[0].id)
    verified = [backup for backup in good if backup.verified]
    if verified:
        kept.add(max(verified, key=rank).id)
    for backup in good:
        newer = [other for other in good if rank(other) > rank(backup)]
        if len(newer) < rule.keep_last:
            kept.add(backup.id)
        mine = periods_of(backup.started_at, zone)
        for name, count in counts.items():
            same = [other for other in newer if periods_of(other.started_at, zone)[name] == mine[name]]
            later = {periods_of(other.started_at, zone)[name] for other in newer}
            if not same and len(later) < count:
                kept.add(backup.id)
    return kept


def rank(backup: Candidate) -> tuple[datetime, str]:
    return backup.started_at, backup.id
