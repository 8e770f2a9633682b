"""Readable failures of the exported suite, and the servers that some stores need."""

import pytest

pytest.register_assert_rewrite("backup_manager.testing")

from tests.support.servers import s3_process, s3_server  # noqa: E402

__all__ = ["s3_process", "s3_server"]
