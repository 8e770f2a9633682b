"""Where a program keeps its backups and what encrypts them: frozen records."""

from dataclasses import dataclass
from os import PathLike, fsdecode
from urllib.parse import quote

from backup_manager.contract.requests import KeyProviderName, KeySpec

PathText = str | PathLike[str]


@dataclass(frozen=True, slots=True)
class LocalStorage:
    """A folder of this machine, made when the first backup is."""

    path: PathText

    def location(self) -> tuple[str, dict[str, str | bool]]:
        """Return the store's URL and options."""
        return fsdecode(self.path), {}


@dataclass(frozen=True, slots=True)
class S3Storage:
    """A bucket, which must exist, or a part of it; credentials come from the usual AWS chain."""

    bucket: str
    prefix: str = ""
    region: str | None = None
    endpoint: str | None = None
    force_path_style: bool | None = None
    ca_bundle: PathText | None = None
    storage_class: str | None = None
    sse: str | None = None

    def location(self) -> tuple[str, dict[str, str | bool]]:
        """Return the store's URL and options."""
        given: dict[str, str | bool | None] = {
            "region": self.region,
            "endpoint": self.endpoint,
            "force_path_style": self.force_path_style,
            "ca_bundle": None if self.ca_bundle is None else fsdecode(self.ca_bundle),
            "storage_class": self.storage_class,
            "sse": self.sse,
        }
        options = {name: value for name, value in given.items() if value is not None}
        return f"s3://{self.bucket}/{quote(self.prefix.strip('/'))}", options


@dataclass(frozen=True, slots=True)
class LocalKey:
    """A key file, as ``sirsinexus backup key generate`` makes it."""

    key_file: PathText

    def spec(self) -> KeySpec:
        """Return which key to use."""
        return KeySpec(KeyProviderName.LOCAL, fsdecode(self.key_file))


@dataclass(frozen=True, slots=True)
class Passphrase:
    """A file that holds a passphrase on its first line."""

    passphrase_file: PathText

    def spec(self) -> KeySpec:
        """Return which key to use."""
        return KeySpec(KeyProviderName.PASSPHRASE, fsdecode(self.passphrase_file))


@dataclass(frozen=True, slots=True)
class AwsKms:
    """A key of AWS KMS, by id, ARN or alias."""

    key_id: str
    region: str | None = None
    endpoint: str | None = None

    def spec(self) -> KeySpec:
        """Return which key to use."""
        return KeySpec(KeyProviderName.AWS_KMS, self.key_id, self.region or "", self.endpoint or "")


@dataclass(frozen=True, slots=True)
class NoEncryption:
    """No encryption, said in so many words."""

    def spec(self) -> KeySpec:
        """Return that no key is used."""
        return KeySpec(KeyProviderName.NONE)


Encryption = LocalKey | Passphrase | AwsKms | NoEncryption
