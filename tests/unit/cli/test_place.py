from pathlib import Path

import pytest

from backup_manager.cli.place import (
    FilePlace,
    PlaceOptions,
    RepositoryPlace,
    find_place,
    shown_place,
)
from backup_manager.common.errors import BackupManagerError, ConfigurationError, NotAvailableError, UsageError
from backup_manager.contract.requests import KeyProviderName, KeySpec

REPOSITORY = {"BACKUP_MANAGER_REPOSITORY": "/env/repository"}
CONFIG = {"BACKUP_MANAGER_CONFIG": "/env/config.yaml"}
KEY = {"BACKUP_MANAGER_KEY_FILE": "/env/key"}
PASSPHRASE = {"BACKUP_MANAGER_PASSPHRASE_FILE": "/env/passphrase"}
NONE = KeySpec(KeyProviderName.NONE)


def local(path: str) -> KeySpec:
    return KeySpec(KeyProviderName.LOCAL, path)


@pytest.mark.parametrize(
    ("options", "environment", "found"),
    [
        pytest.param(PlaceOptions(repository="/r", file="x"), REPOSITORY | CONFIG,
                     RepositoryPlace("/r", NONE, "--repository"), id="--repository before everything"),
        pytest.param(PlaceOptions(file="x.yaml"), REPOSITORY | CONFIG,
                     FilePlace(Path("/here/x.yaml"), "-f"), id="an exported variable never redirects -f"),
        pytest.param(PlaceOptions(), REPOSITORY | CONFIG,
                     RepositoryPlace("/env/repository", NONE, "the variable BACKUP_MANAGER_REPOSITORY"),
                     id="repository variable before config variable"),
        pytest.param(PlaceOptions(), CONFIG,
                     FilePlace(Path("/env/config.yaml"), "the variable BACKUP_MANAGER_CONFIG"),
                     id="config variable"),
        pytest.param(PlaceOptions(repository="/r"), KEY, RepositoryPlace("/r", local("/env/key"), "--repository"),
                     id="key from the environment"),
        pytest.param(PlaceOptions(repository="/r", key_file="k"), KEY | PASSPHRASE,
                     RepositoryPlace("/r", local("k"), "--repository"), id="key option before key variables"),
        pytest.param(PlaceOptions(repository="/r", kms_key="alias/x"), {},
                     RepositoryPlace("/r", KeySpec(KeyProviderName.AWS_KMS, "alias/x"), "--repository"), id="kms"),
        pytest.param(PlaceOptions(passphrase_file="p"), REPOSITORY,
                     RepositoryPlace("/env/repository", KeySpec(KeyProviderName.PASSPHRASE, "p"),
                                     "the variable BACKUP_MANAGER_REPOSITORY"), id="key option, repository variable"),
        pytest.param(PlaceOptions(repository="/r"), {"BACKUP_MANAGER_KEY_FILE": ""},
                     RepositoryPlace("/r", NONE, "--repository"), id="an empty variable counts as not set"),
    ],
)  # fmt: skip
def test_the_first_place_that_is_named_wins(
    options: PlaceOptions, environment: dict[str, str], found: object
) -> None:
    assert find_place(options, environment, Path("/here")) == found


def test_the_working_directory_comes_after_the_environment(tmp_path: Path) -> None:
    (tmp_path / "backup.yaml").touch()

    assert find_place(PlaceOptions(), {}, tmp_path) == FilePlace(
        tmp_path / "backup.yaml", "the working directory"
    )
    assert isinstance(find_place(PlaceOptions(), CONFIG, tmp_path), FilePlace)
    assert isinstance(find_place(PlaceOptions(), REPOSITORY, tmp_path), RepositoryPlace)


@pytest.mark.parametrize(
    ("options", "environment", "kind"),
    [
        (PlaceOptions(), {}, ConfigurationError),
        (PlaceOptions(context="prod"), {}, NotAvailableError),
        (PlaceOptions(context="prod"), REPOSITORY, NotAvailableError),
        (PlaceOptions(namespace="prod"), {}, NotAvailableError),
        (PlaceOptions(repository="/r", key_file="k", kms_key="x"), {}, UsageError),
        (PlaceOptions(repository="/r"), KEY | PASSPHRASE, UsageError),
        (PlaceOptions(file="x", key_file="k"), {}, UsageError),
    ],
)
def test_what_contradicts_itself_or_is_not_there_is_refused(
    options: PlaceOptions, environment: dict[str, str], kind: type[BackupManagerError], tmp_path: Path
) -> None:
    with pytest.raises(kind) as caught:
        find_place(options, environment, tmp_path)

    assert type(caught.value) is kind
    assert caught.value.exit_code == 2


def test_options_after_the_verb_win() -> None:
    before, after = PlaceOptions(file="a", verbose=1), PlaceOptions(file="b", output="json")

    assert before.overridden_by(after) == PlaceOptions(file="b", output="json", verbose=1)


def test_what_is_shown_of_a_place_holds_no_secret() -> None:
    place = RepositoryPlace("sftp://user:secret@host/path?token=secret", NONE, "--repository")

    assert shown_place(place) == "using the repository sftp://host/path (--repository)"
