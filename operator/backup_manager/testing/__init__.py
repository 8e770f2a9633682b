"""The conformance suite for storages, for authors of plugins to run against their own.

A plugin's tests subclass it and give it a store, new and empty for every test::

    class TestMyStorage(StorageConformance):
        @pytest.fixture
        def storage(self) -> Storage:
            return MyStorage(...)

Put ``pytest.register_assert_rewrite("backup_manager.testing")`` into ``conftest.py`` for readable failures.
"""

from backup_manager.testing.storage import StorageConformance, StorageReading

__all__ = ["StorageConformance", "StorageReading"]
