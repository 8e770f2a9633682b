"""A bucket of any S3 server as a store."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from backup_manager.common.errors import ConfigurationError, StorageUnreachableError, UsageError
from backup_manager.engine.storage.base import (
    NAME,
    Buffer,
    ObjectInfo,
    StorageProperties,
    byte_views,
    check_name,
)
from backup_manager.engine.storage.s3_client import create_client
from backup_manager.engine.storage.s3_errors import read_date, translate_s3_error
from backup_manager.engine.storage.s3_probe import PROBE, probe_server
from backup_manager.engine.storage.s3_settings import S3Settings
from backup_manager.engine.storage.s3_upload import Uploader

NO_UPLOADS = frozenset({"NoSuchUpload", "NotImplemented"})  # answers to listing uploads where there are none
PART_BYTES = 64 << 20  # 10,000 parts of an upload (a limit of S3) make 625 GiB


class S3Storage:
    """Objects below a prefix of a bucket; safe for several threads.

    The first use makes the client. What the server can do (conditional puts, checksums, writing at all)
    is found by :meth:`check`, by means of a small object that it removes again, unless *read_only*.
    *clock* is ours, for telling how far the server's is away.
    """

    def __init__(
        self,
        settings: S3Settings,
        *,
        read_only: bool = False,
        part_bytes: int = PART_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._prefix = settings.key_prefix
        self._read_only = read_only
        self._clock = clock
        try:
            with translate_s3_error(settings, "make a client"):
                self._client = create_client(settings)
        except ValueError as err:  # botocore's for an endpoint that it cannot parse
            raise ConfigurationError(f"storage.endpoint: {err}") from err
        self._uploader = Uploader(self._client, settings, part_bytes)
        self._properties = StorageProperties(
            location=settings.location, conditional_put=False, connections=settings.connections
        )  # a server that was not asked yet may ignore the condition

    @property
    def properties(self) -> StorageProperties:
        """What the bucket can do, as far as :meth:`check` has found out."""
        return self._properties

    def check(self) -> None:
        """List, then store and remove a probe."""
        with translate_s3_error(self._settings, "list objects"):
            answer = self._client.list_objects_v2(
                Bucket=self._settings.bucket, Prefix=self._prefix, MaxKeys=1
            )
        date = read_date(answer["ResponseMetadata"]["HTTPHeaders"])
        skew = date.timestamp() - self._clock() if date else 0.0
        writable, conditional = (False, True) if self._read_only else probe_server(self._uploader)
        self._properties = StorageProperties(
            location=self._settings.location,
            conditional_put=conditional,
            connections=self._settings.connections,
            writable=writable,
            clock_skew_seconds=skew,
        )

    def put(self, name: str, parts: Sequence[Buffer], *, if_absent: bool = False) -> None:
        """Send the parts as they are, in one request up to 64 MiB, else in several that count as one."""
        check_name(name)
        if if_absent and not self._properties.conditional_put:
            raise UsageError(f"{self._settings.location} has no conditional put")
        self._uploader.upload(name, byte_views(parts), if_absent=if_absent)

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Read a range in one request."""
        check_name(name)
        if length == 0:
            self.size(name)  # nothing to read, but a missing object is still an error
            return b""
        wanted = _build_range(start, length)
        content = self._fetch(name, wanted)
        if content is None:  # 416: a range outside of the object
            content = self._fetch(name, None) or b"" if start < 0 else b""
        return content if length is None else content[:length]

    def size(self, name: str) -> int:
        """Ask for the object's head."""
        check_name(name)
        with translate_s3_error(self._settings, "read", name):
            answer = self._client.head_object(Bucket=self._settings.bucket, Key=self._prefix + name)
        return int(answer["ContentLength"])

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield page after page; keys that are no object names are not ours."""
        for page in self._pages("list_objects_v2", "ContinuationToken", "NextContinuationToken", prefix):
            for found in page.get("Contents", ()):
                name = found["Key"].removeprefix(self._prefix)
                if NAME.fullmatch(name):
                    yield ObjectInfo(name, found["Size"], found["LastModified"].timestamp())

    def delete(self, name: str) -> None:
        """Delete; S3 does not tell whether there was anything."""
        check_name(name)
        self._uploader.remove(name)

    def sweep(self, older_than_seconds: float) -> int:
        """Abort multipart uploads that were begun before, and remove probes left by a crash.

        Uploads whose keys are no object names belong to somebody else and stay.
        """
        removed = 0
        for page in self._pages("list_multipart_uploads", "KeyMarker", "NextKeyMarker", ""):
            latest = self._server_time(page) - older_than_seconds
            for upload in page.get("Uploads", ()):
                is_ours = NAME.fullmatch(upload["Key"].removeprefix(self._prefix))
                if is_ours and upload["Initiated"].timestamp() <= latest:
                    self._uploader.abort(upload["Key"], upload["UploadId"])
                    removed += 1
        for page in self._pages("list_objects_v2", "ContinuationToken", "NextContinuationToken", PROBE):
            latest = self._server_time(page) - older_than_seconds
            for found in page.get("Contents", ()):
                if found["LastModified"].timestamp() <= latest:
                    self._uploader.remove(found["Key"].removeprefix(self._prefix))
                    removed += 1
        return removed

    def close(self) -> None:
        """Close the connections; the store opens new ones if it is used again."""
        self._client.close()

    def _fetch(self, name: str, wanted: tuple[str, slice] | None) -> bytes | None:
        """Return the bytes of the range, or None if the server says that it lies outside."""
        arguments = {} if wanted is None else {"Range": wanted[0]}
        with translate_s3_error(self._settings, "read", name):
            try:
                answer = self._client.get_object(
                    Bucket=self._settings.bucket, Key=self._prefix + name, **arguments
                )
            except ClientError as err:
                if _status(err.response) == 416:
                    return None
                raise
            with closing(answer["Body"]) as body:  # its own "with" hands out urllib3's, with other errors
                content: bytes = body.read()
        if wanted is None or _status(answer) == 206 or "ContentRange" in answer:  # rclone says 200
            return content
        return content[wanted[1]]  # the server sent all of it

    def _pages(self, call: str, token: str, next_token: str, prefix: str) -> Iterator[Mapping[str, Any]]:
        arguments: dict[str, str] = {}
        while True:
            with translate_s3_error(self._settings, "list objects"):
                try:
                    page = getattr(self._client, call)(
                        Bucket=self._settings.bucket, Prefix=self._prefix + prefix, **arguments
                    )
                except ClientError as err:
                    if err.response["Error"].get("Code") not in NO_UPLOADS:
                        raise
                    return
            yield page
            if not page.get("IsTruncated"):
                return
            if not page.get(next_token) or page[next_token] == arguments.get(token):
                raise StorageUnreachableError(f"{self._settings.location} cut a listing short")
            arguments = {token: page[next_token]}
            if "NextUploadIdMarker" in page:
                arguments["UploadIdMarker"] = page["NextUploadIdMarker"]

    def _server_time(self, answer: Mapping[str, Any]) -> float:
        date = read_date(answer["ResponseMetadata"]["HTTPHeaders"])
        return (date or datetime.fromtimestamp(self._clock(), UTC)).timestamp()


def _build_range(start: int, length: int | None) -> tuple[str, slice] | None:
    """Return the header for a range and the slice that it means, or None for the whole object."""
    if start < 0:
        return f"bytes={start}", slice(start, None)
    if length is not None:
        return f"bytes={start}-{start + length - 1}", slice(start, start + length)
    return (f"bytes={start}-", slice(start, None)) if start else None


def _status(answer: Mapping[str, Any]) -> int:
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])
