"""From what a person names to a repository's address."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from backup_manager.contract.requests import KeyProviderName, KeySpec, RepositoryAddress
from backup_manager.manager.config import read_configuration
from backup_manager.manager.config_model import (
    AwsKmsConfig,
    Configuration,
    EncryptionConfig,
    LocalKeyConfig,
    LocalStore,
    NoEncryptionConfig,
    PassphraseConfig,
    S3Store,
    Store,
)
from backup_manager.manager.workplace import Workplace

Options = dict[str, str | bool]


def open_file(file: Path, environment: Mapping[str, str], cache_dir: str | None = None) -> Workplace:
    """Return the place that a configuration file describes.

    Raises:
        ConfigurationError: the file is refused.
    """
    configuration = read_configuration(file, environment)
    return Workplace(address_of(configuration, cache_dir), configuration)


def address_of(configuration: Configuration, cache_dir: str | None = None) -> RepositoryAddress:
    """Return where the configuration's repository is, and its key."""
    url, options = store_address(configuration.storage)
    return RepositoryAddress(
        url,
        key_spec(configuration.encryption, configuration.storage),
        options,
        compression_level=configuration.compression.level,
        cache_dir=cache_dir,
    )


def store_address(store: Store) -> tuple[str, Options]:
    """Return the URL of *store* and the options that go with it."""
    if isinstance(store, LocalStore):
        return str(store.path), {}
    if isinstance(store, S3Store):
        return _s3_address(store)
    options = {
        name: value if isinstance(value, bool) else str(value) for name, value in store.options.items()
    }
    return f"{store.type}://", options


def _s3_address(store: S3Store) -> tuple[str, Options]:
    given: dict[str, str | bool | None] = {
        "region": store.region,
        "endpoint": store.endpoint,
        "force_path_style": store.force_path_style,
        "ca_bundle": str(store.ca_bundle) if store.ca_bundle else None,
        "storage_class": store.storage_class,
        "sse": store.sse,
    }
    options = {name: value for name, value in given.items() if value is not None}
    return f"s3://{store.bucket}/{quote(store.prefix.strip('/'))}", options


def key_spec(encryption: EncryptionConfig, store: Store) -> KeySpec:
    """Return the key to open with; a KMS key lies in the bucket's region unless another is named."""
    match encryption:
        case NoEncryptionConfig():
            return KeySpec(KeyProviderName.NONE)
        case LocalKeyConfig(key_file):
            return KeySpec(KeyProviderName.LOCAL, str(key_file))
        case PassphraseConfig(passphrase_file):
            return KeySpec(KeyProviderName.PASSPHRASE, str(passphrase_file))
        case AwsKmsConfig(key_id, region, endpoint):
            bucket_region = store.region if isinstance(store, S3Store) else None
            return KeySpec(KeyProviderName.AWS_KMS, key_id, region or bucket_region or "", endpoint or "")
