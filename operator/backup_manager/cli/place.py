"""Where a command looks: options first, then the environment, then the folder, then the cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from backup_manager.common.errors import ConfigurationError, NotAvailableError, UsageError
from backup_manager.contract.requests import KeyProviderName, KeySpec
from backup_manager.manager.workplace import shown_url

REPOSITORY_VARIABLE = "BACKUP_MANAGER_REPOSITORY"
KEY_FILE_VARIABLE = "BACKUP_MANAGER_KEY_FILE"
PASSPHRASE_FILE_VARIABLE = "BACKUP_MANAGER_PASSPHRASE_FILE"  # noqa: S105  # a name
CONFIG_VARIABLE = "BACKUP_MANAGER_CONFIG"
DEFAULT_FILE = "backup.yaml"


@dataclass(frozen=True, slots=True)
class PlaceOptions:
    """The options that every verb takes; None: not given."""

    repository: str | None = None
    key_file: str | None = None
    passphrase_file: str | None = None
    kms_key: str | None = None
    file: str | None = None
    context: str | None = None
    namespace: str | None = None
    cache_dir: str | None = None
    output: str | None = None
    verbose: int | None = None

    def overridden_by(self, other: "PlaceOptions") -> "PlaceOptions":
        """Return these options with those that *other* gives in their place."""
        given = {field.name: getattr(other, field.name) for field in fields(other)}
        return replace(self, **{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True, slots=True)
class RepositoryPlace:
    """A repository named directly: there are no policies."""

    url: str
    key: KeySpec
    reason: str


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A configuration file, not read yet."""

    file: Path
    reason: str


Place = RepositoryPlace | FilePlace


def find_place(options: PlaceOptions, environment: Mapping[str, str], folder: Path) -> Place:
    """Return the first place that was named; *folder* is the working directory.

    Raises:
        UsageError: options contradict each other.
        ConfigurationError: nothing was named, and there is no ``backup.yaml``.
        NotAvailableError: a cluster was named.
    """
    if options.repository is not None:
        return _repository(options.repository, options, environment, "--repository")
    from_environment = environment.get(REPOSITORY_VARIABLE)
    if options.file is not None:
        _refuse_keys(options, "-f")
        return FilePlace(folder / Path(options.file).expanduser(), "-f")
    if options.context is not None:
        raise _no_cluster("--context names a cluster")
    if from_environment:
        return _repository(from_environment, options, environment, f"the variable {REPOSITORY_VARIABLE}")
    _refuse_keys(options, "a configuration file")
    if named := environment.get(CONFIG_VARIABLE):
        return FilePlace(folder / Path(named).expanduser(), f"the variable {CONFIG_VARIABLE}")
    if (folder / DEFAULT_FILE).is_file():
        return FilePlace(folder / DEFAULT_FILE, "the working directory")
    if options.namespace is not None:
        raise _no_cluster("--namespace names a cluster's namespace")
    raise ConfigurationError(
        f"neither --repository nor -f was given, and the working directory holds no {DEFAULT_FILE}",
        solution="Name one of them, or start with `sirsinexus backup quickstart`; "
        "this version does not work on a cluster.",
    )


def _no_cluster(facts: str) -> NotAvailableError:
    return NotAvailableError(
        f"{facts}, and this version does not work on clusters",
        solution="Use --repository URL, or -f with a configuration file.",
    )


def _refuse_keys(options: PlaceOptions, place: str) -> None:
    named = _key_options(options)
    if named:
        raise UsageError(
            f"{next(iter(named))} goes with --repository; {place} says itself which key to use",
            solution="Name the repository with --repository, or leave the key out.",
        )


def _repository(
    url: str, options: PlaceOptions, environment: Mapping[str, str], reason: str
) -> RepositoryPlace:
    return RepositoryPlace(url, _key(options, environment), reason)


def _key(options: PlaceOptions, environment: Mapping[str, str]) -> KeySpec:
    named = _key_options(options) or {
        variable: KeySpec(provider, environment[variable])
        for variable, provider in (
            (KEY_FILE_VARIABLE, KeyProviderName.LOCAL),
            (PASSPHRASE_FILE_VARIABLE, KeyProviderName.PASSPHRASE),
        )
        if environment.get(variable)
    }
    if len(named) > 1:
        raise UsageError(
            f"{' and '.join(named)} name more than one key", solution="Name the one key to open with."
        )
    return next(iter(named.values()), KeySpec(KeyProviderName.NONE))


def _key_options(options: PlaceOptions) -> dict[str, KeySpec]:
    return key_specs(options.key_file, options.passphrase_file, options.kms_key)


def key_specs(
    key_file: str | None, passphrase_file: str | None, kms_key: str | None, prefix: str = "--"
) -> dict[str, KeySpec]:
    """Return the keys that were named, by the option that named each."""
    given = (
        (f"{prefix}key-file", KeyProviderName.LOCAL, key_file),
        (f"{prefix}passphrase-file", KeyProviderName.PASSPHRASE, passphrase_file),
        (f"{prefix}kms-key", KeyProviderName.AWS_KMS, kms_key),
    )
    return {option: KeySpec(provider, value) for option, provider, value in given if value is not None}


def shown_place(place: Place) -> str:
    """Return the line of ``-v`` about the choice, without anything secret."""
    if isinstance(place, FilePlace):
        return f"using the configuration file {place.file} ({place.reason})"
    return f"using the repository {shown_url(place.url)} ({place.reason})"
