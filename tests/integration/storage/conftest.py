"""The servers of this folder's tests."""

from tests.support.servers import s3_process, s3_server

__all__ = ["s3_process", "s3_server"]
