"""Users of an AWS server (moto's) and what they may do; the server enforces it while a block runs."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import boto3

REGION = "us-east-1"
USER_NUMBERS = count(1)


def create_bucket(endpoint: str, name: str) -> None:
    """Make a bucket, as somebody who may do everything."""
    _client("s3", endpoint).create_bucket(Bucket=name)


def create_user(endpoint: str, *actions: str) -> dict[str, str]:
    """Return the credentials, as variables, of a new user who is allowed these actions on everything."""
    name = f"user-{next(USER_NUMBERS)}"
    iam = _client("iam", endpoint)
    iam.create_user(UserName=name)
    if actions:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="allowed", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


@contextmanager
def permissions_enforced(endpoint: str) -> Iterator[None]:
    """While the block runs, each user may do what was allowed, and strangers nothing."""
    _reset(endpoint, "0")
    try:
        yield
    finally:
        _reset(endpoint, "inf")


def _reset(endpoint: str, free_requests: str) -> None:
    """Tell moto after how many requests it begins to look at permissions."""
    headers = {"Content-Type": "text/plain"}
    request = urllib.request.Request(
        f"{endpoint}/moto-api/reset-auth", data=free_requests.encode(), headers=headers, method="POST"
    )
    urllib.request.urlopen(request, timeout=10).close()


def _client(service: str, endpoint: str) -> Any:
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="admin",
        aws_secret_access_key="admin",
    )
