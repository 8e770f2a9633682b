"""An S3 server of this machine behind a proxy that delays every request."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.peers import S3Place
from tests.support.latency import run_latency_proxy
from tests.support.servers import run_s3_server


@contextmanager
def latent_buckets(root: Path, milliseconds: int) -> Iterator[Callable[[], S3Place]]:
    """Give a function that makes a new bucket, reached with *milliseconds* of delay for each request."""
    root.mkdir(parents=True)
    with run_s3_server(root) as server, run_latency_proxy(server.endpoint, milliseconds) as endpoint:

        def new_bucket() -> S3Place:
            fresh = server.with_new_bucket()
            return S3Place(endpoint, fresh.bucket, fresh.access_key_id, fresh.secret_access_key)

        yield new_bucket
