"""The client that talks S3: botocore's, which is what boto3 wraps.

Without boto3's resource layer a client is ready in 0.15 s instead of 0.25 s (measured with 1.44, 2026-11).
"""

import os
from typing import Any

import botocore.session
from botocore.config import Config

from backup_manager.common.errors import ConfigurationError
from backup_manager.engine.storage.s3_settings import S3Settings

CONNECT_SECONDS = 10
READ_SECONDS = 60
FALLBACK_REGION = "us-east-1"  # what servers other than Amazon's accept when nobody named one


def create_client(settings: S3Settings) -> Any:  # botocore makes its classes at run time
    """Return a client that tries once, and tells of a wrong region instead of following silently."""
    if settings.ca_bundle is not None and not os.path.isfile(settings.ca_bundle):
        raise ConfigurationError(f"storage.ca_bundle: there is no file {settings.ca_bundle!r}")
    session = botocore.session.get_session()
    region = settings.region or session.get_config_variable("region")
    client = session.create_client(
        "s3",
        region_name=region or FALLBACK_REGION,
        endpoint_url=settings.endpoint,
        verify=settings.ca_bundle,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key,
        aws_session_token=settings.session_token,
        config=_build_config(settings),
    )
    # Over TLS, the checksum that we send guards the payload; a signature would hash all of it again.
    is_plain = client.meta.endpoint_url.startswith("http://")
    client.meta.config.s3["payload_signing_enabled"] = is_plain
    if region:
        client.meta.events.register_last("before-parameter-build.s3", _stay_in_region)
    return client


def _build_config(settings: S3Settings) -> Config:
    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=settings.connections,
        tcp_keepalive=True,
        retries={"total_max_attempts": 1, "mode": "standard"},  # RetryingStorage owns retries
        s3={"addressing_style": settings.addressing_style},
        # We compute the checksum ourselves and send it as a header: botocore's would come as a trailer in
        # chunked encoding, which many servers refuse. What is read back is authenticated by its sealing.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def _stay_in_region(context: dict[str, Any], **_rest: object) -> None:
    """Make botocore believe that it has followed a redirect already."""
    context.setdefault("s3_redirect", {})["redirected"] = True
