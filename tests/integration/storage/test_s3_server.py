"""S3Storage against a real server: opening, uploads in parts, sweeping, latency."""

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.certificates import write_certificate
from tests.support.latency import run_latency_proxy
from tests.support.servers import S3Server, run_s3_server

from backup_manager.common.errors import AccessDeniedError, BucketMissingError
from backup_manager.engine.storage.base import StorageMisuseError
from backup_manager.engine.storage.registry import open_storage
from backup_manager.engine.storage.s3 import S3Storage

pytestmark = pytest.mark.server


def test_absent_bucket_is_named(s3_server: S3Server) -> None:
    storage = S3Storage(s3_server.settings(bucket="absent-bucket"))
    with closing(storage), pytest.raises(BucketMissingError, match="'absent-bucket'"):
        storage.check()


@pytest.mark.parametrize(
    "changes",
    [{"access_key_id": "another-key"}, {"secret_access_key": "another-secret"}],
    ids=["key", "secret"],
)
def test_wrong_credentials_are_access_denied(s3_server: S3Server, changes: dict[str, str]) -> None:
    storage = S3Storage(s3_server.settings(**changes))
    with closing(storage), pytest.raises(AccessDeniedError, match=s3_server.bucket) as caught:
        storage.check()
    assert "another" not in caught.value.facts


def test_server_that_ignores_conditions_is_found_out(s3_server: S3Server) -> None:
    with closing(S3Storage(s3_server.settings())) as storage:
        storage.check()
        assert not storage.properties.conditional_put
        assert storage.properties.writable
        assert abs(storage.properties.clock_skew_seconds) < 30


def test_check_leaves_no_probe(s3_server: S3Server) -> None:
    with closing(S3Storage(s3_server.settings())) as storage:
        storage.check()
    assert [path.name for path in (s3_server.root / s3_server.bucket).rglob("*")] == []


def test_large_object_goes_in_parts(s3_server: S3Server) -> None:
    parts = [bytes([number]) * 1_000_003 for number in range(17)]
    with closing(S3Storage(s3_server.settings(), part_bytes=5 << 20)) as storage:
        storage.check()
        storage.put("large", parts)
        assert storage.get("large") == b"".join(parts)


def test_sweep_aborts_uploads_that_were_left(s3_server: S3Server) -> None:
    with closing(S3Storage(s3_server.settings(prefix="p"))) as storage:
        bucket = {"Bucket": s3_server.bucket}
        storage._client.create_multipart_upload(**bucket, Key="p/abandoned")
        storage._client.create_multipart_upload(**bucket, Key="somebody else's")
        storage._client.put_object(**bucket, Key="p/.probe-0123", Body=b"")
        storage.put("kept", [b"x"])
        assert storage.sweep(3600) == 0
        assert storage.sweep(-5) == 2
        assert storage.sweep(-5) == 0
        assert [found.name for found in storage.list("")] == ["kept"]
        assert len(storage._client.list_multipart_uploads(**bucket)["Uploads"]) == 1


def test_two_prefixes_do_not_see_each_other(s3_server: S3Server) -> None:
    with (
        closing(S3Storage(s3_server.settings(prefix="one"))) as one,
        closing(S3Storage(s3_server.settings(prefix="/one-more/"))) as other,
    ):
        one.put("a", [b"1"])
        other.put("a", [b"2"])
        assert (one.get("a"), other.get("a")) == (b"1", b"2")
        assert len(list(one.list(""))) == len(list(other.list(""))) == 1


def test_url_and_options_open_a_bucket(s3_server: S3Server) -> None:
    storage = open_storage(s3_server.url("prod"), s3_server.options())
    storage.check()
    storage.put("a", [b"x"])
    assert storage.properties.location.startswith(f"s3://{s3_server.bucket}/prod/?region=us-east-1&endpoint=")
    assert s3_server.secret_access_key not in storage.properties.location


def test_read_only_option_refuses_writes(s3_server: S3Server) -> None:
    storage = open_storage(s3_server.url(), {**s3_server.options(), "read_only": True})
    storage.check()
    with pytest.raises(AccessDeniedError, match="for reading only"):
        storage.put("a", [b"x"])


def test_certificate_of_an_own_authority_is_trusted_by_bundle_only(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    parts = [bytes([number]) * 400_000 for number in range(5)]
    with run_s3_server(tmp_path / "tls", "--cert", str(certificate), "--key", str(key)) as server:
        (server.root / server.bucket).mkdir()
        with closing(S3Storage(server.settings(ca_bundle=str(certificate)))) as trusting:
            trusting.check()
            trusting.put("a", parts)
            assert trusting.get("a") == b"".join(parts)
        with closing(S3Storage(server.settings())) as wary, pytest.raises(StorageMisuseError) as caught:
            wary.check()
    assert "ca_bundle" in caught.value.solution


def test_proxy_adds_its_latency_to_each_request(s3_server: S3Server) -> None:
    with run_latency_proxy(s3_server.endpoint, 50) as endpoint:
        server = replace(s3_server, endpoint=endpoint)
        with closing(S3Storage(server.settings())) as storage:
            storage.put("a", [b"x" * 3_000_000])
            began = time.perf_counter()
            for _ in range(4):
                assert storage.size("a") == 3_000_000
            assert 0.2 <= time.perf_counter() - began < 0.5
