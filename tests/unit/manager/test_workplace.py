import pytest

from backup_manager.contract.requests import KeyProviderName, KeySpec, RepositoryAddress
from backup_manager.manager.workplace import located_key, open_url

KMS, LOCAL = KeyProviderName.AWS_KMS, KeyProviderName.LOCAL
ARN = "arn:aws:kms:eu-west-1:123456789012:key/one"
IN_USE = KeySpec(KMS, "alias/old", "us-west-2", "http://kms:4000")


@pytest.mark.parametrize(
    ("key", "in_use", "options", "region", "endpoint"),
    [
        pytest.param(KeySpec(KMS, "alias/x"), IN_USE, {}, "us-west-2", "http://kms:4000", id="as the key in use"),
        pytest.param(KeySpec(KMS, ARN), IN_USE, {}, "eu-west-1", "", id="an ARN of another region"),
        pytest.param(
            KeySpec(KMS, ARN.replace("eu-west-1", "us-west-2")), IN_USE, {}, "us-west-2", "http://kms:4000",
            id="an ARN of the same region",
        ),
        pytest.param(
            KeySpec(KMS, "one"), KeySpec(LOCAL, "k"), {"region": "eu-north-1"}, "eu-north-1", "", id="the bucket's"
        ),
        pytest.param(
            KeySpec(KMS, "one", "ap-east-1"), IN_USE, {}, "ap-east-1", "", id="a region that is named"
        ),
        pytest.param(KeySpec(LOCAL, "k"), IN_USE, {}, "", "", id="no KMS key"),
    ],
)  # fmt: skip
def test_a_kms_key_is_looked_for_where_it_lies(
    key: KeySpec, in_use: KeySpec, options: dict[str, str | bool], region: str, endpoint: str
) -> None:
    found = located_key(key, RepositoryAddress("s3://bucket/", in_use, options))

    assert (found.provider, found.value) == (key.provider, key.value)
    assert (found.region, found.endpoint) == (region, endpoint)


def test_a_url_tells_the_region_of_its_kms_key() -> None:
    place = open_url("s3://bucket/prod?region=eu-north-1", KeySpec(KMS, "alias/x"))

    assert place.address.key.region == "eu-north-1"
