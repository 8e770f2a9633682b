from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.manager.test_config import ENVIRONMENT, MINIMAL, WHOLE

from backup_manager.common.errors import NotAvailableError
from backup_manager.manager.config import decode_configuration
from backup_manager.manager.manifests import manifests


def printed(text: str, **environment: str) -> str:
    return manifests(decode_configuration(text, Path("/base"), environment, plugins={"sftp"}))


def documents(text: str, **environment: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(printed(text, **environment)))


def test_documented_file_becomes_a_repository_and_policies() -> None:
    repository, database, files = documents(WHOLE, **ENVIRONMENT)
    assert repository == {
        "apiVersion": "backup.sirsinexus.io/v1alpha1",
        "kind": "BackupRepository",
        "metadata": {"name": "primary"},
        "spec": {
            "storage": {
                "s3": {
                    "bucket": "backups-bucket",
                    "prefix": "prod/",
                    "region": "us-west-2",
                    "credentials": {"secretRef": {"name": "primary-s3"}},
                }
            },
            "compression": {"algorithm": "Zstd", "level": 3},
            "encryption": {
                "awsKMS": {
                    "keyID": "alias/backup-key",
                    "region": "us-west-2",
                    "credentials": {"secretRef": {"name": "primary-kms"}},
                }
            },
            "maintenance": {"gracePeriod": "24h"},
        },
    }
    assert database["spec"]["sources"] == [
        {
            "name": "database",
            "postgresql": {
                "connection": {"secretKeyRef": {"name": "database-database", "key": "url"}},
                "schemas": ["public"],
                "mode": "Logical",
            },
        }
    ]
    assert files == {
        "apiVersion": "backup.sirsinexus.io/v1alpha1",
        "kind": "BackupPolicy",
        "metadata": {"name": "files"},
        "spec": {
            "repository": {"name": "primary"},
            "sources": [
                {
                    "name": "files",
                    "filesystem": {
                        "volume": {"persistentVolumeClaim": {"claimName": "files-files"}},
                        "paths": ["/data/uploads", "/config"],
                        "exclude": ["*.tmp", "*.log"],
                    },
                }
            ],
            "schedule": {"timeZone": "UTC", "full": "0 0 * * *"},
            "retention": {"keepDaily": 30},
            "verification": {
                "enabled": True,
                "schedule": "0 12 * * *",
                "checks": [{"integrity": {}}, {"completeness": {}}],
                "restoreTest": {"enabled": True},
            },
        },
    }


def test_secrets_are_named_and_never_printed() -> None:
    text = printed(WHOLE, **ENVIRONMENT)
    assert "hunter2" not in text
    for secret in ("primary-s3", "primary-kms", "database-database"):
        assert f"# Create the Secret '{secret}'" in text
    assert "# notifications are left out" in text


def test_claim_that_was_not_given_is_to_be_replaced() -> None:
    text = printed(MINIMAL.replace("files:", "1e3:"))
    assert 'claimName: "1e3-1e3"  # replace by the claim that holds these files' in text
    given = printed(MINIMAL.replace("paths:", "volume: uploads, paths:"))
    assert "claimName: uploads\n" in given


def test_local_store_becomes_a_claim() -> None:
    repository, _ = documents(MINIMAL)
    claim = {"persistentVolumeClaim": {"claimName": "primary-repository"}, "path": "/"}
    assert repository["spec"]["storage"] == {"volume": claim}
    assert repository["spec"]["encryption"] == {"disabled": {}}
    assert "# replace by the claim that is to hold the repository" in printed(MINIMAL)


@pytest.mark.parametrize(
    ("provider", "comment"),
    [
        ("{provider: local, key_file: ./backup.key}", "content of the key file"),
        ("{provider: passphrase, passphrase_file: ./p}", "add a key file"),
    ],
)
def test_local_keys_become_a_reference(provider: str, comment: str) -> None:
    text = MINIMAL.replace("{enabled: false}", provider)
    repository, _ = documents(text)
    assert repository["spec"]["encryption"] == {
        "key": {"secretKeyRef": {"name": "primary-key", "key": "key"}}
    }
    assert comment in printed(text)


def test_what_has_no_field_is_a_comment() -> None:
    text = MINIMAL.replace(
        "local, path: ./repository",
        "s3, bucket: abc, sse: AES256, storage_class: GLACIER, ca_bundle: ca.crt, force_path_style: true",
    ).replace("policies:", "  maintenance: {grace: 90m, max_rewrite: 1GiB}\npolicies:")
    text = text.replace("paths:", "allow_empty: true, allow_unreadable: true, paths:")
    text += "    description: |\n      Two\n      lines\n"
    shown = printed(text)
    for key in ("storage.sse", "storage.storage_class", "max_rewrite", "allow_unreadable"):
        assert f"{key} has no field" in shown
    assert "# Two lines\n" in shown
    repository, policy = documents(text)
    assert repository["spec"]["maintenance"] == {"gracePeriod": "1h30m"}
    assert repository["spec"]["storage"]["s3"]["caBundle"] == {
        "configMapKeyRef": {"name": "primary-ca", "key": "ca.crt"}
    }
    assert policy["spec"]["sources"][0]["filesystem"]["allowEmpty"] is True


def test_checks_carry_their_options() -> None:
    checks = "{checks: [integrity, {size: {min_bytes: 1024}}], sample_percent: 5, enabled: true}"
    _, policy = documents(f"{MINIMAL}    verification: {checks}\n")
    assert policy["spec"]["verification"]["checks"] == [
        {"integrity": {"samplePercent": 5}},
        {"size": {"minBytes": 1024}},
    ]


def test_texts_that_look_like_other_types_are_quoted() -> None:
    _, policy = documents(
        f"{MINIMAL.replace('/data]', '/data], exclude: [')}".replace("[}", "['yes', '1e3', '#']}")
    )
    assert policy["spec"]["sources"][0]["filesystem"]["exclude"] == ["yes", "1e3", "#"]
    assert '- "yes"\n' in printed(MINIMAL.replace("[/data]", "[/data], exclude: ['yes']"))


def test_plugin_cannot_be_a_resource() -> None:
    with pytest.raises(NotAvailableError, match="sftp"):
        printed(MINIMAL.replace("local, path: ./repository", "sftp, host: h"))
