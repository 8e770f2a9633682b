"""What a command works on: a repository, and the configuration that it came from, if any."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from backup_manager.common.errors import UsageError
from backup_manager.contract.requests import KeyProviderName, KeySpec, RepositoryAddress

if TYPE_CHECKING:  # the configuration's own imports cost more than a listing needs
    from backup_manager.manager.config_model import Configuration, PolicyConfig


@dataclass(frozen=True, slots=True)
class Workplace:
    """A repository's address; without a *configuration*, its policies are unknown."""

    address: RepositoryAddress
    configuration: "Configuration | None" = None

    def need_configuration(self, why: str) -> "Configuration":
        """Return the configuration.

        Raises:
            UsageError: a repository was named directly; *why* says what the policies are needed for.
        """
        if self.configuration is None:
            raise UsageError(
                f"{why} needs a policy, and --repository names a repository without its policies",
                solution="Name a configuration file with -f.",
            )
        return self.configuration

    def policies(self, name: str | None, why: str) -> "tuple[PolicyConfig, ...]":
        """Return the policy of this name, or all of them.

        Raises:
            UsageError: the policies are unknown.
            NotFoundError: there is no such policy.
        """
        configuration = self.need_configuration(why)
        return configuration.policies if name is None else (configuration.policy(name),)


def open_url(url: str, key: KeySpec, cache_dir: str | None = None) -> Workplace:
    """Return the place of a repository that was named directly."""
    address = RepositoryAddress(url, key, cache_dir=cache_dir)
    return Workplace(replace(address, key=located_key(key, address)))


def located_key(key: KeySpec, address: RepositoryAddress) -> KeySpec:
    """Return *key* with the region and endpoint to look for it, as far as *address* tells.

    A key of KMS lies where its ARN says, else where the key in use does, else in the bucket's region.
    """
    if key.provider is not KeyProviderName.AWS_KMS or key.region:
        return key
    current = address.key if address.key.provider is KeyProviderName.AWS_KMS else KeySpec(key.provider)
    named = key.value.split(":")[3] if key.value.startswith("arn:") and key.value.count(":") >= 3 else ""
    endpoint = current.endpoint if named in ("", current.region) else ""
    return replace(key, region=named or current.region or _bucket_region(address), endpoint=endpoint)


def _bucket_region(address: RepositoryAddress) -> str:
    try:
        asked = parse_qs(urlsplit(address.url).query).get("region", [""])
    except ValueError:  # not a URL: said by whoever opens it
        asked = [""]
    return str(address.options.get("region", "")) or asked[-1]


def shown_url(url: str) -> str:
    """Return *url* for people: without credentials and without its options.

    >>> shown_url("s3://key:secret@bucket/prefix?region=x")
    's3://bucket/prefix'
    """
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return "that was given"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
