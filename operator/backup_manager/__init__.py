"""Backup Manager: automated backup, verification and recovery for databases and files."""
