"""Finding out what an S3 server really does: some ignore a condition or a checksum, and say nothing."""

import secrets
from contextlib import suppress

from backup_manager.common.errors import AccessDeniedError, InsufficientStorageError, ObjectExistsError
from backup_manager.engine.storage.base import StorageMisuseError
from backup_manager.engine.storage.s3_upload import Checksum, Uploader

PROBE = ".probe-"  # a leading dot: never listed as an object
CONTENT = (memoryview(b"Backup Manager looks what this server can do."),)


def probe_server(uploader: Uploader) -> tuple[bool, bool]:
    """Return whether objects can be stored, and whether ``If-None-Match`` is obeyed; set the checksum.

    A full store counts as one that can be written, with the weaker promise: the next put tells.
    """
    name = f"{PROBE}{secrets.token_hex(8)}"
    try:
        _choose_checksum(uploader, name)
    except AccessDeniedError:
        return False, True
    except InsufficientStorageError:
        return True, False
    try:
        return True, _condition_is_obeyed(uploader, name)
    finally:
        with suppress(AccessDeniedError):  # a bucket that keeps everything, on purpose
            uploader.remove(name)


def _choose_checksum(uploader: Uploader, name: str) -> None:
    try:
        answer = uploader.upload(name, CONTENT)
    except StorageMisuseError:  # refused as it is: try without the header that is newer than some servers
        uploader.checksum = Checksum.MD5
        uploader.upload(name, CONTENT)
        return
    if Checksum.CRC32.value not in answer:
        uploader.checksum = Checksum.MD5  # the CRC was ignored, as rclone 1.75 does


def _condition_is_obeyed(uploader: Uploader, name: str) -> bool:
    try:
        uploader.upload(name, CONTENT, if_absent=True)
    except ObjectExistsError:
        return True
    except StorageMisuseError:
        return False
    return False
