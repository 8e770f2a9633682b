"""Providers that wrap and unwrap a repository's secrets: key file, passphrase, AWS KMS."""
