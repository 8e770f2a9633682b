"""Where an S3 bucket is and how to talk to it; free of boto3, so that reading settings costs nothing."""

from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from backup_manager.common.errors import ConfigurationError

CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class S3Settings:
    """One bucket and prefix. What is None is left to the usual AWS chain (environment, profile, role).

    *endpoint*: the URL of a server other than Amazon's. *force_path_style*: None means path style where an
    endpoint is given. *ca_bundle*: a PEM file. *sse*: ``AES256`` or ``aws:kms``. Keys never show in a repr.
    """

    bucket: str
    prefix: str = ""
    region: str | None = None
    endpoint: str | None = None
    force_path_style: bool | None = None
    ca_bundle: str | None = None
    storage_class: str | None = None
    sse: str | None = None
    sse_kms_key_id: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    connections: int = CONNECTIONS

    def __post_init__(self) -> None:
        """Refuse what no server could make sense of.

        Raises:
            ConfigurationError: no bucket, half a pair of keys, or an endpoint that is no plain URL.
        """
        if not self.bucket or "/" in self.bucket:
            raise ConfigurationError(f"storage.bucket: {self.bucket!r} is no bucket name")
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ConfigurationError("storage: access_key_id and secret_access_key go together")
        if self.connections < 1:
            raise ConfigurationError(f"storage.connections: {self.connections} is less than 1")
        if self.endpoint is not None:
            _require_plain_url(self.endpoint)

    @property
    def key_prefix(self) -> str:
        """What stands before an object's name in its key: empty, or ending with a slash."""
        stripped = self.prefix.strip("/")
        return stripped and stripped + "/"

    @property
    def addressing_style(self) -> str:
        """Whether the bucket goes into the path of a URL or into its host, in botocore's words."""
        has_endpoint = self.endpoint is not None
        if has_endpoint if self.force_path_style is None else self.force_path_style:
            return "path"
        return "virtual" if has_endpoint else "auto"

    @property
    def location(self) -> str:
        """The URL that opens this store again, without keys."""
        query = {"region": self.region, "endpoint": self.endpoint}
        given = urlencode({name: value for name, value in query.items() if value}, safe=":/")
        return f"s3://{self.bucket}/{self.key_prefix}" + (f"?{given}" if given else "")


def _require_plain_url(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    if "@" in parts.netloc:
        raise ConfigurationError("storage.endpoint: holds credentials; give them in the environment instead")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise ConfigurationError(f"storage.endpoint: {endpoint!r} is not like https://host:port")
