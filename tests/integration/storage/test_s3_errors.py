"""What S3 servers answer becomes one of our errors; the answers come over real HTTP."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from tests.support.s3_stub import EMPTY_LISTING, Answer, Stub, error, run_stub

from backup_manager.common.errors import (
    AccessDeniedError,
    BackupManagerError,
    BucketMissingError,
    ConfigurationError,
    InsufficientStorageError,
    ObjectExistsError,
    ObjectMissingError,
    StorageUnreachableError,
    UsageError,
)
from backup_manager.engine.storage.base import StorageBusyError, StorageMisuseError
from backup_manager.engine.storage.s3 import S3Storage
from backup_manager.engine.storage.s3_settings import S3Settings

REGION = "<Region>eu-central-1</Region>"
YESTERDAY = "Mon, 01 Jan 2024 00:00:00 GMT"
OPENING = [
    pytest.param(error(404, "NoSuchBucket"), BucketMissingError, "'shop'", False, id="absent bucket"),
    pytest.param(error(403, "InvalidAccessKeyId"), AccessDeniedError, "'shop'", False, id="unknown key"),
    pytest.param(error(403, "SignatureDoesNotMatch"), AccessDeniedError, "'shop'", False, id="wrong secret"),
    pytest.param(error(403, "AccessDenied"), AccessDeniedError, "a message", False, id="no permission"),
    pytest.param(error(400, "ExpiredToken"), AccessDeniedError, "ExpiredToken", False, id="expired token"),
    pytest.param(error(403, "Odd"), AccessDeniedError, "403 Odd", False, id="any 403"),
    pytest.param(
        error(301, "PermanentRedirect", x_amz_bucket_region="eu-central-1"),
        StorageMisuseError,
        "in region 'eu-central-1', not in region 'us-west-2'",
        False,
        id="wrong region by redirect",
    ),
    pytest.param(
        error(400, "AuthorizationHeaderMalformed", REGION),
        StorageMisuseError,
        "in region 'eu-central-1'",
        False,
        id="wrong region by signature",
    ),
    pytest.param(
        error(403, "RequestTimeTooSkewed", date=YESTERDAY),
        StorageMisuseError,
        "s ahead of the store's",
        False,
        id="wrong clock",
    ),
    pytest.param(error(400, "InvalidRequest"), StorageMisuseError, "400 InvalidRequest", False, id="any 400"),
    pytest.param(error(501, "NotImplemented"), StorageMisuseError, "501", False, id="not implemented"),
    pytest.param(error(500, "InternalError"), StorageUnreachableError, "500", True, id="server error"),
    pytest.param(error(502, "BadGateway"), StorageUnreachableError, "502", True, id="gateway"),
    pytest.param(error(400, "RequestTimeout"), StorageUnreachableError, "RequestTimeout", True, id="timeout"),
    pytest.param(error(503, "SlowDown"), StorageBusyError, "503 SlowDown", True, id="slow down"),
    pytest.param(error(429, "TooManyRequests"), StorageBusyError, "429", True, id="too many requests"),
    pytest.param(error(507, "Odd"), InsufficientStorageError, "507", True, id="full by status"),
    pytest.param(error(403, "QuotaExceeded"), InsufficientStorageError, "Quota", True, id="full by quota"),
    pytest.param(
        error(500, "InternalError", message="write /x: no space left on device"),
        InsufficientStorageError,
        "no space left",
        True,
        id="full in words",
    ),
    pytest.param(Answer(200, "no XML", {}), StorageUnreachableError, "'shop'", True, id="no S3 at all"),
    pytest.param(
        Answer(200, "<ListBucketResult></ListBucketResult>", {}, True),
        StorageUnreachableError,
        "'shop'",
        True,
        id="cut",
    ),
]
WORKING = [
    pytest.param(lambda s: s.get("a"), error(404, "NoSuchKey"), ObjectMissingError, id="get"),
    pytest.param(lambda s: s.get("a", -3), error(404, "NoSuchKey"), ObjectMissingError, id="range"),
    pytest.param(lambda s: s.size("a"), Answer(404), ObjectMissingError, id="head without a body"),
    pytest.param(lambda s: s.size("a"), Answer(403), AccessDeniedError, id="forbidden head"),
    pytest.param(
        lambda s: s.put("a", [b"x"], if_absent=True),
        error(412, "PreconditionFailed"),
        ObjectExistsError,
        id="put",
    ),
    pytest.param(
        lambda s: s.put("a", [b"x"], if_absent=True),
        error(409, "ConditionalRequestConflict"),
        StorageUnreachableError,
        id="conflict with another put",
    ),
    pytest.param(
        lambda s: s.put("a", [b"x"]), error(400, "BadDigest"), StorageUnreachableError, id="bad digest"
    ),
    pytest.param(
        lambda s: s.put("a", [b"x"]), error(400, "EntityTooLarge"), InsufficientStorageError, id="size"
    ),
    pytest.param(
        lambda s: s.get("a"), Answer(200, "x" * 100, {}, True), StorageUnreachableError, id="cut body"
    ),
]
CONDITIONAL = (EMPTY_LISTING, Answer(200), error(412, "PreconditionFailed"), Answer(204))  # to a check


@contextmanager
def stubbed(*answers: Answer, **changes: object) -> Iterator[tuple[Stub, S3Storage]]:
    with run_stub(answers) as stub:
        settings = S3Settings(
            bucket="shop",
            region="us-west-2",
            endpoint=stub.endpoint,
            access_key_id="key",
            secret_access_key="secret-that-never-shows",
        )
        with closing(S3Storage(settings, **changes)) as storage:
            yield stub, storage


@pytest.mark.parametrize(("answer", "expected", "words", "retryable"), OPENING)
def test_refusal_while_opening_is_told_apart(
    answer: Answer, expected: type[BackupManagerError], words: str, retryable: bool
) -> None:
    with stubbed(answer) as (_, storage), pytest.raises(BackupManagerError) as caught:
        storage.check()
    assert type(caught.value) is expected
    assert words in caught.value.facts
    assert caught.value.retryable is retryable
    assert "secret" not in "".join(caught.value.lines())


@pytest.mark.parametrize(("call", "answer", "expected"), WORKING)
def test_refusal_of_a_call_is_told_apart(
    call: Callable[[S3Storage], object], answer: Answer, expected: type[BackupManagerError]
) -> None:
    with stubbed(*CONDITIONAL, answer) as (_, storage):
        storage.check()
        with pytest.raises(BackupManagerError) as caught:
            call(storage)
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"Date": YESTERDAY, "Retry_After": "Mon, 01 Jan 2024 00:01:30 GMT"}, 90.0),
        ({"Retry_After": "soon"}, None),
        ({}, None),
    ],
    ids=["seconds", "date", "nonsense", "absent"],
)
def test_busy_server_says_for_how_long(header: dict[str, str], expected: float | None) -> None:
    with stubbed(error(503, "SlowDown", **header)) as (_, storage), pytest.raises(StorageBusyError) as caught:
        storage.check()
    assert caught.value.retry_after_seconds == expected


def test_each_call_is_tried_once() -> None:
    with stubbed(error(503, "SlowDown")) as (stub, storage), pytest.raises(StorageBusyError):
        storage.get("a")
    assert len(stub.requests) == 1


def test_server_that_honours_conditions_and_checksums_is_recognised() -> None:
    stored = Answer(200, "", {"x-amz-checksum-crc32": "AAAAAA=="})
    with stubbed(EMPTY_LISTING, stored, error(412, "PreconditionFailed"), Answer(204)) as (stub, storage):
        storage.check()
        assert storage.properties.conditional_put
        assert storage.properties.writable
        storage.put("object", [b"content"])
    assert [request.method for request in stub.requests] == ["GET", "PUT", "PUT", "DELETE", "PUT"]
    assert stub.requests[2].headers["If-None-Match"] == "*"
    assert "x-amz-checksum-crc32" in stub.requests[4].headers
    assert "Content-MD5" not in stub.requests[4].headers


def test_condition_is_not_trusted_before_the_server_was_asked() -> None:
    with stubbed(Answer(200)) as (stub, storage), pytest.raises(UsageError):
        storage.put("a", [b"x"], if_absent=True)
    assert stub.requests == []


@pytest.mark.parametrize("answer", [Answer(200), error(501, "NotImplemented"), error(400, "InvalidArgument")])
def test_server_without_conditions_is_recognised(answer: Answer) -> None:
    with stubbed(EMPTY_LISTING, Answer(200), answer, Answer(204)) as (_, storage):
        storage.check()
        assert not storage.properties.conditional_put


def test_server_that_refuses_new_checksums_gets_the_old_one() -> None:
    refusal = error(400, "InvalidRequest")
    answers = [
        EMPTY_LISTING,
        refusal,
        Answer(200),
        error(412, "PreconditionFailed"),
        Answer(204),
        Answer(200),
    ]
    with stubbed(*answers) as (stub, storage):
        storage.check()
        storage.put("object", [b"content"])
    assert stub.requests[-1].headers["Content-MD5"] == "mgNkuembtIDdJeHwKEyFVQ=="
    assert "x-amz-checksum-crc32" not in stub.requests[-1].headers


def test_credentials_without_the_right_to_write_can_still_read() -> None:
    with stubbed(EMPTY_LISTING, error(403, "AccessDenied")) as (_, storage):
        storage.check()
        assert not storage.properties.writable


def test_full_bucket_can_still_be_opened() -> None:
    with stubbed(EMPTY_LISTING, error(507, "StorageFull")) as (_, storage):
        storage.check()


def test_bucket_that_forbids_deletion_can_be_opened() -> None:
    answers = [EMPTY_LISTING, Answer(200), error(412, "PreconditionFailed"), error(403, "AccessDenied")]
    with stubbed(*answers) as (_, storage):
        storage.check()
        assert storage.properties.conditional_put


def test_read_only_check_writes_nothing() -> None:
    with stubbed(EMPTY_LISTING, read_only=True) as (stub, storage):
        storage.check()
    assert [request.method for request in stub.requests] == ["GET"]


def test_clock_difference_is_measured() -> None:
    listing = Answer(200, EMPTY_LISTING.body, {"Date": YESTERDAY})
    with stubbed(listing, read_only=True, clock=lambda: 1_704_067_260.0) as (_, storage):
        storage.check()
    assert storage.properties.clock_skew_seconds == -60.0


def test_range_is_cut_out_when_the_server_sends_everything() -> None:
    with stubbed(Answer(200, "0123456789")) as (_, storage):
        assert storage.get("a", 3, 4) == b"3456"
        assert storage.get("a", -3) == b"789"
        assert storage.get("a", -4, 2) == b"67"


def test_listing_that_ends_without_its_rest_is_an_error() -> None:
    answer = Answer(200, "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>")
    with stubbed(answer) as (_, storage), pytest.raises(StorageUnreachableError, match="cut a listing short"):
        list(storage.list(""))


def test_foreign_keys_are_not_listed() -> None:
    keys = ("README.md", "folder/", "a b", ".probe-1", "packs/d/00")
    entries = "".join(
        f"<Contents><Key>{key}</Key><Size>1</Size><LastModified>2024-01-01T00:00:00Z</LastModified></Contents>"
        for key in keys
    )
    listing = Answer(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>")
    with stubbed(listing) as (_, storage):
        assert [found.name for found in storage.list("")] == ["packs/d/00"]


def test_failed_part_aborts_the_upload() -> None:
    begun = "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
    part = Answer(200, "", {"ETag": '"e1"'})
    with stubbed(Answer(200, begun), part, error(500, "InternalError"), Answer(204), part_bytes=4) as (
        stub,
        storage,
    ):
        with pytest.raises(StorageUnreachableError):
            storage.put("a", [b"012345", b"6789"])
        assert [request.body for request in stub.requests[1:3]] == [b"0123", b"4567"]
    assert stub.requests[-1].method == "DELETE"
    assert "uploadId=u1" in stub.requests[-1].path


def test_closed_port_is_unreachable() -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
    settings = S3Settings(bucket="shop", endpoint=endpoint, access_key_id="k", secret_access_key="s")
    with (
        closing(S3Storage(settings)) as storage,
        pytest.raises(StorageUnreachableError, match=endpoint) as caught,
    ):
        storage.check()
    assert caught.value.retryable


def test_missing_credentials_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    storage = S3Storage(S3Settings(bucket="shop", endpoint="http://127.0.0.1:9"))
    with closing(storage), pytest.raises(AccessDeniedError, match="no credentials for bucket 'shop'"):
        storage.check()


def test_absent_certificate_bundle_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="ca_bundle"):
        S3Storage(S3Settings(bucket="shop", endpoint="https://127.0.0.1:9", ca_bundle="/nowhere.pem"))


def test_impossible_bucket_name_is_a_configuration_error() -> None:
    with (
        stubbed(EMPTY_LISTING) as (stub, _),
        closing(
            S3Storage(
                S3Settings(bucket="a?b", endpoint=stub.endpoint, access_key_id="k", secret_access_key="s")
            )
        ) as storage,
        pytest.raises(ConfigurationError),
    ):
        storage.check()
