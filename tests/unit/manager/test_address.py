"""From configuration to address, and what the engine's stores make of it."""

from pathlib import Path

import pytest

from backup_manager.common.errors import NotFoundError, UsageError
from backup_manager.contract.requests import KeyProviderName, KeySpec
from backup_manager.engine.storage.registry import open_storage
from backup_manager.manager.address import address_of, store_address
from backup_manager.manager.config import decode_configuration
from backup_manager.manager.config_model import LocalStore, PluginStore, S3Store
from backup_manager.manager.workplace import Workplace, open_url

S3 = """\
backup_manager:
  storage: {type: s3, bucket: bucket, prefix: "prod/a b%/", region: eu-west-1, endpoint: "http://localhost:9000",
            force_path_style: true, ca_bundle: ./ca.pem, storage_class: STANDARD, sse: AES256}
  encryption: {provider: aws_kms, key_id: alias/x}
  compression: {level: 9}
policies:
  files: {sources: [{type: filesystem, paths: [/data]}]}
"""


def test_a_bucket_keeps_every_setting_and_lends_its_region_to_the_key() -> None:
    address = address_of(decode_configuration(S3, Path("/base"), {}), cache_dir="/cache")

    assert address.url == "s3://bucket/prod/a%20b%25"
    assert address.options == {
        "region": "eu-west-1",
        "endpoint": "http://localhost:9000",
        "force_path_style": True,
        "ca_bundle": "/base/ca.pem",
        "storage_class": "STANDARD",
        "sse": "AES256",
    }
    assert address.key == KeySpec(KeyProviderName.AWS_KMS, "alias/x", "eu-west-1")
    assert (address.compression_level, address.cache_dir) == (9, "/cache")


@pytest.mark.parametrize(
    "store", [S3Store("bucket"), S3Store("bucket", "p/", "eu-west-1"), LocalStore(Path("/x y/#z"))]
)
def test_the_engine_opens_what_the_configuration_names(store: S3Store | LocalStore, tmp_path: Path) -> None:
    url, options = store_address(store)

    assert open_storage(url, options).properties.location


def test_options_of_a_plugin_travel_as_texts() -> None:
    assert store_address(PluginStore("sftp", {"port": 22, "strict": True})) == (
        "sftp://",
        {"port": "22", "strict": True},
    )


def test_without_a_configuration_what_needs_a_policy_says_so() -> None:
    place = open_url("/r", KeySpec(KeyProviderName.NONE))

    with pytest.raises(UsageError, match="needs a policy"):
        place.policies(None, "`run`")
    configuration = decode_configuration(S3, Path("/base"), {})
    with pytest.raises(NotFoundError):
        Workplace(address_of(configuration), configuration).policies("nope", "`run`")
