from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from backup_manager.common.errors import ConfigurationError, NotAvailableError, NotFoundError
from backup_manager.contract.results import Check
from backup_manager.manager.config import decode_configuration, read_configuration
from backup_manager.manager.config_model import (
    AwsKmsConfig,
    Configuration,
    DatabaseSource,
    FilesSource,
    LocalKeyConfig,
    LocalStore,
    NoEncryptionConfig,
    PassphraseConfig,
    PluginStore,
    S3Store,
)
from backup_manager.reconcile.retention import RetentionRule

BASE = Path("/etc/backup")
WHOLE = """\
backup_manager:
  storage:      {type: s3, bucket: backups-bucket, prefix: prod/, region: us-west-2}    # or local
  compression:  {algorithm: zstd, level: 3}
  encryption:   {enabled: true, provider: aws_kms, key_id: alias/backup-key}
  scheduling:   {timezone: UTC, full_backup: "0 0 * * *", incremental_backup: "0 */6 * * *"}
  retention:    {keep_daily: 7, keep_weekly: 4, keep_monthly: 12}
  verification: {enabled: true, schedule: "0 12 * * *", restore_test: true}
  notifications: {email: [admin@example.com], slack_webhook: "${SLACK_WEBHOOK}"}
policies:
  database:
    sources:   [{type: postgresql, connection: "${DB_URL}", schemas: ["public"]}]
    schedule:  {full: "0 0 * * 0", incremental: "0 */6 * * *"}
    retention: {keep_daily: 7, keep_weekly: 4, keep_monthly: 12}
  files:
    sources:   [{type: filesystem, paths: ["/data/uploads", "/config"], exclude: ["*.tmp", "*.log"]}]
    schedule:  {full: "0 0 * * *"}
    retention: {keep_daily: 30}
"""
ENVIRONMENT = {
    "SLACK_WEBHOOK": "https://hooks.example.com/hunter2",
    "DB_URL": "postgresql://shop:hunter2@db/shop",
}
MINIMAL = """\
backup_manager:
  storage: {type: local, path: ./repository}
  encryption: {enabled: false}
policies:
  files:
    sources: [{type: filesystem, paths: [/data]}]
"""


def decode(text: str, **environment: str) -> Configuration:
    return decode_configuration(text, BASE, environment, plugins={"sftp"})


def with_manager(line: str, *, policy: str = "") -> Configuration:
    head, _, tail = MINIMAL.partition("policies:")
    return decode(f"{head}  {line}\npolicies:{tail}{policy}")


def test_the_documented_file_is_read() -> None:
    config = decode(WHOLE, **ENVIRONMENT)
    assert config.storage == S3Store("backups-bucket", "prod/", "us-west-2")
    assert config.encryption == AwsKmsConfig("alias/backup-key")
    database, files = config.policies
    source = database.sources[0]
    assert isinstance(source, DatabaseSource)
    assert source.connection == ENVIRONMENT["DB_URL"]
    assert source.schemas == ("public",)
    assert files.sources == (FilesSource("files", ("/data/uploads", "/config"), ("*.tmp", "*.log")),)
    assert files.retention == RetentionRule(keep_daily=30)
    assert files.schedule.incremental is None
    assert files.verification.restore_test


def test_no_representation_shows_a_secret() -> None:
    config = decode(WHOLE, **ENVIRONMENT)
    assert "hunter2" not in repr(config) + " ".join(config.warnings)


def test_what_does_not_work_yet_is_a_warning_that_names_the_key() -> None:
    warnings = decode(WHOLE, **ENVIRONMENT).warnings
    assert [warning.partition(":")[0] for warning in warnings] == [
        "backup_manager.notifications",
        "backup_manager.scheduling, policies.database.schedule, policies.files.schedule",
        "backup_manager.verification",
        "policies.database.sources[0].type",
    ]
    assert decode(MINIMAL).warnings == ()


def test_policy_without_blocks_inherits_them() -> None:
    config = with_manager(
        "retention: {keep_last: 3}\n"
        "  scheduling: {timezone: Europe/Berlin, full_backup: '0 1 * * *'}\n"
        "  verification: {checks: [integrity, {size: {min_bytes: 1KiB}}], sample_percent: 10}"
    )
    (policy,) = config.policies
    assert policy.retention == RetentionRule(keep_last=3)
    assert policy.schedule.full is not None
    assert policy.schedule.full.zone == ZoneInfo("Europe/Berlin")
    assert policy.verification.enabled
    assert policy.verification.checks == (Check.INTEGRITY, Check.SIZE)
    assert (policy.verification.min_bytes, policy.verification.sample_percent) == (1024, 10)


def test_block_of_a_policy_replaces_the_inherited_one_but_for_the_time_zone() -> None:
    config = with_manager(
        "retention: {keep_last: 3, keep_daily: 7}\n"
        "  scheduling: {timezone: Europe/Berlin, full_backup: '0 1 * * *', incremental_backup: '0 2 * * *'}\n"
        "  verification: {restore_test: true, sample_percent: 10}",
        policy="    retention: {keep_daily: 30}\n    schedule: {full: '0 3 * * *'}\n"
        "    verification: {enabled: false}\n",
    )
    (policy,) = config.policies
    assert policy.retention == RetentionRule(keep_daily=30)
    assert policy.schedule.incremental is None
    assert policy.timezone == ZoneInfo("Europe/Berlin")
    assert not policy.verification.enabled
    assert (policy.verification.restore_test, policy.verification.sample_percent) == (False, 100)


def test_nothing_set_keeps_everything_and_verifies_by_hand() -> None:
    (policy,) = decode(MINIMAL).policies
    assert policy.retention.keeps_everything
    assert not policy.verification.enabled
    assert policy.timezone == ZoneInfo("UTC")


def test_paths_are_relative_to_the_file() -> None:
    text = MINIMAL.replace("[/data]", "[uploads, ./logs, /config]").replace(
        "{enabled: false}", "{provider: local, key_file: backup.key}"
    )
    config = decode(text)
    assert config.storage == LocalStore(BASE / "repository")
    assert config.encryption == LocalKeyConfig(BASE / "backup.key")
    source = config.policies[0].sources[0]
    assert isinstance(source, FilesSource)
    assert source.paths == ("/etc/backup/uploads", "/etc/backup/logs", "/config")


def test_path_with_dots_is_resolved_as_the_kernel_would(tmp_path: Path) -> None:
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "inner")
    config = decode_configuration(MINIMAL.replace("/data", "link/../data"), tmp_path, {})
    source = config.policies[0].sources[0]
    assert isinstance(source, FilesSource)
    assert source.paths == (str((tmp_path / "real" / "data").resolve()),)


def test_sources_without_name_take_the_policys() -> None:
    second = "[{type: filesystem, paths: [/a]}, {type: filesystem, name: own, paths: [/b]}, {type"
    names = [source.name for source in decode(MINIMAL.replace("[{type", second)).policies[0].sources]
    assert names == ["files", "own", "files-3"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "one"),
        ("${A}/${B}", "one/two"),
        ("$${A}", "${A}"),
        ("$A", "$A"),
        ("a$${A}${A}$", "a${A}one$"),
        ("${NESTED}", "${A}"),
    ],
)
def test_environment_is_filled_in(text: str, expected: str) -> None:
    config = decode(f"{MINIMAL}    description: '{text}'\n", A="one", B="two", NESTED="${A}")
    assert config.policies[0].description == expected


def test_variable_may_bring_a_number_or_a_boolean() -> None:
    config = decode(
        MINIMAL.replace("false", '"${ENCRYPT}"') + '    retention: {keep_last: "${KEEP}"}\n',
        ENCRYPT="false",
        KEEP="5",
    )
    assert config.encryption == NoEncryptionConfig()
    assert config.policies[0].retention.keep_last == 5


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("{provider: passphrase, passphrase_file: /p}", PassphraseConfig(Path("/p"))),
        ("{enabled: false, provider: local, key_file: k}", NoEncryptionConfig()),
        (
            "{provider: aws_kms, key_id: k, region: eu-west-1, endpoint: 'http://127.0.0.1:4566'}",
            AwsKmsConfig("k", "eu-west-1", "http://127.0.0.1:4566"),
        ),
    ],
)
def test_encryption_is_named_or_refused_in_so_many_words(block: str, expected: object) -> None:
    assert decode(MINIMAL.replace("{enabled: false}", block)).encryption == expected


def test_plugin_takes_its_own_keys() -> None:
    config = decode(
        MINIMAL.replace("local, path: ./repository", "sftp, host: h, port: 22, password: hunter2")
    )
    assert config.storage == PluginStore("sftp", {"host": "h", "port": 22, "password": "hunter2"})
    assert "hunter2" not in repr(config)


def test_every_key_of_s3_is_read() -> None:
    keys = (
        "s3, bucket: b-1, endpoint: 'https://h:9000', force_path_style: true, ca_bundle: ca.crt, "
        "storage_class: STANDARD_IA, sse: 'aws:kms'"
    )
    assert decode(MINIMAL.replace("local, path: ./repository", keys)).storage == S3Store(
        "b-1", "", None, "https://h:9000", True, BASE / "ca.crt", "STANDARD_IA", "aws:kms"
    )


def test_limits_of_maintenance_are_read() -> None:
    limits = with_manager("maintenance: {grace: 1h30m, max_rewrite: 1GiB}").maintenance
    assert (limits.grace_seconds, limits.max_rewrite_bytes) == (5400, 2**30)
    assert with_manager("maintenance: {max_rewrite: 0}").maintenance.max_rewrite_bytes == 0


def test_anchors_and_merges_are_understood() -> None:
    text = MINIMAL.replace("files:", "files: &files") + "  more:\n    <<: *files\n    description: More\n"
    files, more = decode(text).policies
    assert (files.description, more.description) == ("", "More")
    assert [source.name for source in more.sources] == ["more"]


def test_hash_of_a_cron_differs_between_policies() -> None:
    text = with_manager(
        "scheduling: {full_backup: 'H H * * *'}",
        policy="  other:\n    sources: [{type: filesystem, paths: [/b]}]\n",
    )
    expressions = {policy.schedule.full.expression for policy in text.policies if policy.schedule.full}
    assert len(expressions) == 2


def test_policy_is_found_by_name_or_said_to_be_missing() -> None:
    config = decode(MINIMAL)
    assert config.policy("files") is config.policies[0]
    with pytest.raises(NotFoundError, match="'photos'") as caught:
        config.policy("photos")
    assert "files" in caught.value.solution


def test_file_is_read_with_its_folder_as_base(tmp_path: Path) -> None:
    (tmp_path / "backup.yaml").write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert read_configuration(tmp_path / "backup.yaml", {}).storage == LocalStore(tmp_path / "repository")


@pytest.mark.parametrize(("content", "expected"), [(None, "does not exist"), (b"\xff\xfe", "not UTF-8")])
def test_unreadable_file_is_named(tmp_path: Path, content: bytes | None, expected: str) -> None:
    file = tmp_path / "backup.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=expected) as caught:
        read_configuration(file, {})
    assert str(file) in caught.value.facts
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_configuration(tmp_path, {})


def test_manifests_as_configuration_are_not_available() -> None:
    with pytest.raises(NotAvailableError):
        decode("apiVersion: backup.sirsinexus.io/v1alpha1\nkind: BackupPolicy\n")
