"""Who may open a repository: the providers that wrap its secrets, one file each.

Each implements :class:`~backup_manager.engine.repository.keyring.KeyProvider`: a local key file, a
passphrase, AWS KMS, and none at all. What they leave in a slot is part of format 1:

``local``
    ``parameters``: ``salt`` (16 bytes, hexadecimal) and ``check``. With PRK = HKDF-Extract(salt, the file's
    32 bytes), the slot's key is HKDF-Expand(PRK, ``backup-manager 1 slot``) and ``check`` the first 16
    hexadecimal digits of HKDF-Expand(PRK, ``backup-manager 1 slot check``). ``wrapped``: a random nonce of
    12 bytes ‖ AES-256-GCM ciphertext of the secrets ‖ tag. Associated data: the context as JSON with sorted
    keys and no white space, ``{"epoch":"0","repositoryId":…,"slot":…}``.
``passphrase``
    The same, where the 32 bytes are scrypt(phrase, ``scryptSalt``, ``n``, ``r``, ``p``), the phrase being
    UTF-8 in the normal form C.
``aws_kms``
    ``parameters``: ``keyArn``. ``wrapped``: what KMS Encrypt gave, with the encryption context
    ``repositoryId`` and ``epoch``.
``none``
    No parameters; ``wrapped`` is the secrets themselves.
"""
