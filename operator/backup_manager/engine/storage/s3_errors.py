"""The one translator of S3's and botocore's errors into ours."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's name
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
    SSOError,
    TokenRetrievalError,
)

from backup_manager.common.errors import (
    AccessDeniedError,
    BackupManagerError,
    BucketMissingError,
    ConfigurationError,
    InsufficientStorageError,
    ObjectExistsError,
    ObjectMissingError,
    StorageUnreachableError,
)
from backup_manager.engine.storage.base import StorageBusyError, StorageMisuseError
from backup_manager.engine.storage.s3_settings import S3Settings

MISSING = frozenset({"NoSuchKey", "NotFound", "404"})
EXISTS = frozenset({"PreconditionFailed", "412"})
WRONG_REGION = frozenset(
    {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
)
WRONG_CLOCK = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
FULL = frozenset(
    {
        "QuotaExceeded",
        "InsufficientStorage",
        "StorageFull",
        "EntityTooLarge",
        "XMinioStorageFull",
        "XMinioAdminBucketQuotaExceeded",
        "InsufficientCapacity",
    }
)
FULL_IN_WORDS = ("no space left", "disk quota exceeded", "disk full")  # behind a 500 of some servers
BUSY = frozenset({"SlowDown", "SlowDownRead", "SlowDownWrite", "ServiceUnavailable", "Throttling"})
BUSY |= {"ThrottlingException", "TooManyRequests", "RequestLimitExceeded", "XMinioServerNotInitialized"}
DENIED = frozenset(
    {
        "AccessDenied",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "InvalidToken",
        "TokenRefreshRequired",
        "AllAccessDisabled",
        "AccountProblem",
        "InvalidObjectState",
    }
)
TRANSIENT = frozenset(  # with a status of 4xx, and yet worth another try
    {"RequestTimeout", "BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "NoSuchUpload"}
    | {"ConditionalRequestConflict", "OperationAborted", "InvalidPart", "XAmzContentChecksumMismatch"}
)
NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
    NoAuthTokenError,
    SSOError,
)


@contextmanager
def translate_s3_error(settings: S3Settings, doing: str, name: str = "") -> Iterator[None]:
    """Raise ours for every error of botocore in the block; *doing* and *name* go into the facts."""
    what = f"{doing} {name!r}" if name else doing
    try:
        yield
    except ClientError as err:
        raise build_answer_error(settings, what, name, err.response) from err
    except BotoCoreError as err:
        raise build_local_error(settings, what, err) from err


def build_answer_error(
    settings: S3Settings, doing: str, name: str, response: Mapping[str, Any]
) -> BackupManagerError:
    """Return what an S3 server's error answer means."""
    answer = _Answer(response)
    bucket = repr(settings.bucket)
    facts = f"cannot {doing} in bucket {bucket}: S3 answered {answer.words}"
    code, status = answer.code, answer.status
    if code == "NoSuchBucket":
        return BucketMissingError(f"bucket {bucket} does not exist at {settings.endpoint or 'Amazon S3'}")
    if code in MISSING:
        return ObjectMissingError(f"{name or doing!r} is not in bucket {bucket}")
    if code in EXISTS:
        return ObjectExistsError(f"{name!r} exists in bucket {bucket}")
    if code in WRONG_REGION and (code != "AuthorizationHeaderMalformed" or answer.region):
        return _build_region_error(settings, facts, answer.region)
    if code in WRONG_CLOCK:
        return StorageMisuseError(
            f"{facts}; this machine's clock is {answer.skew_words}",
            solution="Set this machine's clock (NTP); the store refuses requests with a wrong time.",
        )
    if code in FULL or status == 507 or any(words in answer.message.lower() for words in FULL_IN_WORDS):
        return InsufficientStorageError(facts)
    if code in BUSY or status in (429, 503):
        return StorageBusyError(facts, retry_after_seconds=answer.retry_after_seconds)
    if code in DENIED or status in (401, 403):
        return AccessDeniedError(facts)
    if code in TRANSIENT or (status >= 500 and status != 501):
        return StorageUnreachableError(facts)
    return StorageMisuseError(facts)


def build_local_error(settings: S3Settings, doing: str, err: Exception) -> BackupManagerError:
    """Return what an error means that arose without an answer: no connection, no credentials, no sense."""
    where = settings.endpoint or "Amazon S3"
    if isinstance(err, NO_CREDENTIALS):
        return AccessDeniedError(
            f"no credentials for bucket {settings.bucket!r}: {err}",
            solution="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile or role.",
        )
    facts = f"cannot {doing} in bucket {settings.bucket!r}: no answer from {where}: {_reason(err)}"
    if isinstance(err, SSLError) and "certificate" in str(err).lower():
        return StorageMisuseError(
            facts,
            solution="Set ca_bundle to the endpoint's certificate authority, or correct the endpoint.",
        )
    if isinstance(err, ConnectionError | HTTPClientError | IncompleteReadError):
        return StorageUnreachableError(facts)
    return ConfigurationError(f"storage: bucket {settings.bucket!r} at {where}: {err}")


def read_date(headers: Mapping[str, str]) -> datetime | None:
    """Return the server's time from an answer's headers."""
    return _parse_http_date(headers.get("date", ""))


class _Answer:
    """The parts of an error answer that matter."""

    def __init__(self, response: Mapping[str, Any]) -> None:
        error = response.get("Error", {})
        metadata = response.get("ResponseMetadata", {})
        self._headers: Mapping[str, str] = metadata.get("HTTPHeaders", {})
        self.status = int(metadata.get("HTTPStatusCode", 0))
        self.code = str(error.get("Code", ""))
        self.message = str(error.get("Message", ""))[:300]
        self.region = str(error.get("Region") or self._headers.get("x-amz-bucket-region") or "")

    @property
    def words(self) -> str:
        code = "" if self.code == str(self.status) else f" {self.code}"
        return f"{self.status}{code}" + (f" ({self.message})" if self.message not in ("", self.code) else "")

    @property
    def retry_after_seconds(self) -> float | None:
        given = self._headers.get("retry-after", "")
        if given.isdigit():
            return float(given)
        until, now = _parse_http_date(given), read_date(self._headers)
        return max(0.0, (until - now).total_seconds()) if until and now else None

    @property
    def skew_words(self) -> str:
        date = read_date(self._headers)
        if date is None:
            return "not the store's"
        seconds = (date - datetime.now(UTC)).total_seconds()
        return f"{abs(seconds):.0f} s {'behind' if seconds > 0 else 'ahead of'} the store's"


def _build_region_error(settings: S3Settings, facts: str, region: str) -> StorageMisuseError:
    ours = f"region {settings.region!r}" if settings.region else "the default region"
    right = f"it is in region {region!r}, not in {ours}" if region else f"it is not in {ours}"
    return StorageMisuseError(
        f"{facts}; {right}", solution=f"Set the region of the bucket to {region or 'its own'}."
    )


def _reason(err: Exception) -> str:
    """Return what the operating system said, if it said something: libraries wrap it in layers of their own."""
    inner: BaseException | None = err
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        inner = inner.__cause__ or inner.__context__
    cause = err.__cause__ or err.__context__
    return f"{type(err).__name__}: {cause or err}"[:300]


def _parse_http_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
