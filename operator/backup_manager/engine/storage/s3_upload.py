"""Writing to a bucket: single puts, multipart uploads, and the checksum that the server understands."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Any

from backup_manager.common.errors import BackupManagerError
from backup_manager.engine.storage.s3_body import build_body, crc32, md5, split_views
from backup_manager.engine.storage.s3_errors import translate_s3_error
from backup_manager.engine.storage.s3_settings import S3Settings


class Checksum(StrEnum):
    """What a server checks an upload by; a signed payload (without TLS) is not verified by all of them."""

    CRC32 = "ChecksumCRC32"
    MD5 = "ContentMD5"


class Uploader:
    """Puts, aborts and deletes below the prefix of one bucket."""

    def __init__(self, client: Any, settings: S3Settings, part_bytes: int) -> None:
        self._client = client
        self._settings = settings
        self._part_bytes = part_bytes
        self.checksum = Checksum.CRC32

    def upload(self, name: str, views: Sequence[memoryview], *, if_absent: bool = False) -> Mapping[str, Any]:
        """Store *views* under *name* and return the answer."""
        condition = {"IfNoneMatch": "*"} if if_absent else {}
        if sum(view.nbytes for view in views) > self._part_bytes:
            return self._upload_in_parts(name, views, condition)
        with translate_s3_error(self._settings, "store", name):
            answer: Mapping[str, Any] = self._client.put_object(
                **self._target(name),
                **self._storing(),
                **condition,
                **self._check(views),
                Body=build_body(views),
            )
        return answer

    def remove(self, name: str) -> None:
        """Delete the object."""
        with translate_s3_error(self._settings, "delete", name):
            self._client.delete_object(**self._target(name))

    def abort(self, key: str, upload_id: str) -> None:
        """Give a multipart upload up, so that the server frees what it holds of it."""
        with translate_s3_error(self._settings, "abort the upload of", key):
            self._client.abort_multipart_upload(Bucket=self._settings.bucket, Key=key, UploadId=upload_id)

    def _upload_in_parts(
        self, name: str, views: Sequence[memoryview], condition: Mapping[str, str]
    ) -> Mapping[str, Any]:
        target = self._target(name)
        algorithm = {"ChecksumAlgorithm": "CRC32"} if self.checksum is Checksum.CRC32 else {}
        with translate_s3_error(self._settings, "store", name):
            begun = self._client.create_multipart_upload(**target, **self._storing(), **algorithm)
        upload_id = begun["UploadId"]
        try:
            with translate_s3_error(self._settings, "store", name):
                parts = [
                    self._upload_part(target, upload_id, number, group)
                    for number, group in enumerate(split_views(views, self._part_bytes), start=1)
                ]
                answer: Mapping[str, Any] = self._client.complete_multipart_upload(
                    **target, UploadId=upload_id, MultipartUpload={"Parts": parts}, **condition
                )
        except BaseException:
            with suppress(BackupManagerError):  # what cannot be aborted now is swept later
                self.abort(target["Key"], upload_id)
            raise
        return answer

    def _upload_part(
        self, target: Mapping[str, str], upload_id: str, number: int, views: Sequence[memoryview]
    ) -> dict[str, Any]:
        check = self._check(views)
        answer = self._client.upload_part(
            **target, UploadId=upload_id, PartNumber=number, Body=build_body(views), **check
        )
        echoed = {name: answer[name] for name in check if name in answer}
        return {"ETag": answer["ETag"], "PartNumber": number, **echoed}

    def _target(self, name: str) -> dict[str, str]:
        return {"Bucket": self._settings.bucket, "Key": self._settings.key_prefix + name}

    def _storing(self) -> dict[str, str]:
        given = {
            "StorageClass": self._settings.storage_class,
            "ServerSideEncryption": self._settings.sse,
            "SSEKMSKeyId": self._settings.sse_kms_key_id,
        }
        return {name: value for name, value in given.items() if value}

    def _check(self, views: Sequence[memoryview]) -> dict[str, str]:
        compute = crc32 if self.checksum is Checksum.CRC32 else md5
        return {self.checksum.value: compute(views)}
