"""Who may open a repository: the providers that wrap its secrets, one file each.

Each implements :class:`~backup_manager.engine.repository.keyring.KeyProvider`: a local key file, a
passphrase, AWS KMS, and none at all.
"""
