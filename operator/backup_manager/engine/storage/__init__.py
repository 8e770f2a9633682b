"""Bytes by name on a store: the protocol, its implementations, and wrappers around any of them."""
