"""The conformance suite for storages, for authors of plugins to run against their own."""
