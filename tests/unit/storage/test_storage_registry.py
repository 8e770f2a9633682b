"""URLs and options become stores, or errors that name what is wrong."""

import io
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from backup_manager.common.errors import ConfigurationError, StorageUnreachableError
from backup_manager.common.log import configure_logging
from backup_manager.engine.storage import plugins, registry
from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.local import LocalStorage
from backup_manager.engine.storage.memory import MemoryStorage
from backup_manager.engine.storage.readonly import ReadOnlyStorage
from backup_manager.engine.storage.registry import open_storage
from backup_manager.engine.storage.retrying import RetryingStorage
from backup_manager.engine.storage.s3_settings import S3Settings

S3_KEYS = {"access_key_id": "key", "secret_access_key": "hidden"}


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}"])
def test_path_and_file_url_open_a_folder(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "a folder"
    storage = open_storage(form.format(folder).replace(" ", "%20" if form != "{}" else " "), create=True)
    assert isinstance(storage, LocalStorage)
    storage.check()
    assert folder.is_dir()
    assert storage.properties.location == str(folder)


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert open_storage("~/backups").properties.location == "/home/somebody/backups"


def test_memory_is_shared_by_name() -> None:
    open_storage("memory://shared").put("a", [b"x"])
    assert open_storage("memory://shared").get("a") == b"x"
    assert list(open_storage("memory://other").list("")) == []


def test_read_only_is_an_option_of_every_store(tmp_path: Path) -> None:
    for url in (str(tmp_path), "memory://shared"):
        assert isinstance(open_storage(url, {"read_only": True}), ReadOnlyStorage)


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("s3://bucket", "s3://bucket/"),
        ("s3://bucket/prod", "s3://bucket/prod/"),
        ("s3://bucket//prod/a%20b/", "s3://bucket/prod/a b/"),
        ("s3://bucket/p?region=eu-west-1", "s3://bucket/p/?region=eu-west-1"),
        (
            "s3://bucket/p?region=r&endpoint=http://s3.example:9000&force_path_style=true&connections=2",
            "s3://bucket/p/?region=r&endpoint=http://s3.example:9000",
        ),
        ("s3://bucket/p?region=&endpoint=", "s3://bucket/p/"),
    ],
)
def test_s3_url_opens_a_bucket(url: str, location: str) -> None:
    storage = open_storage(url, S3_KEYS)
    assert isinstance(storage, RetryingStorage)
    assert storage.properties.location == location


def test_options_go_before_the_query() -> None:
    storage = open_storage("s3://bucket/p?region=one&connections=3", {**S3_KEYS, "region": "two"})
    assert "region=two" in storage.properties.location
    assert storage.properties.connections == 3


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("", {}, "location is empty"),
        ("sftp://host/path", {}, "no storage 'sftp'"),
        ("S33://bucket", {}, "did you mean 's3'"),
        ("file://host/path", {}, "would be another host"),
        ("file:///path?create=true", {}, "a path and nothing else"),
        ("/path", {"region": "r"}, "storage.region"),
        ("s3:///prefix", {}, "storage.bucket"),
        ("s3://key:hidden@bucket/p", {}, "holds credentials"),
        ("s3://bucket/p?secret_access_key=hidden", {}, "storage.secret_access_key"),
        ("s3://bucket/p?access_key_id=hidden", {}, "storage.access_key_id"),
        ("s3://bucket/p?endpoint=http://key:hidden@host", {}, "storage.endpoint"),
        ("s3://bucket/p?endpoint=host:9000", {}, "storage.endpoint"),
        ("s3://bucket/p?regoin=eu", {}, "did you mean 'region'"),
        ("s3://bucket/p?force_path_style=maybe", {}, "neither true nor false"),
        ("s3://bucket/p?connections=0", {}, "storage.connections"),
        ("s3://bucket/p?connections=many", {}, "not a number"),
        ("s3://bucket", {"region": True}, "storage.region"),
        ("s3://bucket", {"access_key_id": "hidden"}, "go together"),
        ("s3://bucket", {"ca_bundle": "/nowhere.pem"}, "storage.ca_bundle"),
        ("http://[bad", {}, "cannot read the URL"),
    ],
)
def test_malformed_location_is_refused(url: str, options: dict[str, str | bool], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_storage(url, options)
    assert words in caught.value.facts
    assert "hidden" not in "".join(caught.value.lines())


def test_unknown_scheme_lists_what_exists() -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_storage("ftp://host")
    assert "file, memory, s3" in caught.value.solution


def test_keys_do_not_show_in_a_repr() -> None:
    assert "hidden" not in repr(S3Settings(bucket="b", **S3_KEYS, session_token="hidden"))


def open_example(url: str, options: dict[str, str | bool]) -> Storage:
    """The opener of a plugin."""
    return MemoryStorage(location=f"{url} {sorted(options)}")


def publish(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    point = EntryPoint("example", target, plugins.ENTRY_POINTS)
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda group: [point] if group == point.group else []
    )
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == point.group else [])


def test_plugin_opens_its_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, f"{__name__}:open_example")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    storage = open_storage("example://host/path", {"speed": "fast"})
    assert storage.properties.location == "example://host/path ['speed']"
    assert isinstance(storage, RetryingStorage)


def test_plugin_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, "no_such_module:open")
    with pytest.raises(ConfigurationError, match="no_such_module:open"):
        open_storage("example://host")


def test_folder_is_opened_without_importing_the_clients_of_others() -> None:
    program = (
        "import sys; from backup_manager.engine.storage.registry import open_storage;"
        "open_storage('/tmp'); print([n for n in ('botocore', 'boto3', 'importlib.metadata') if n in sys.modules])"
    )
    path = Path(plugins.__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_somebody_who_waits_for_a_store_is_told_now_and_then() -> None:
    said = io.StringIO()
    configure_logging("warning", stream=said)

    for tries in range(1, 13):
        registry._tell(StorageUnreachableError("no answer from 'bucket'"), tries, 1.25)

    assert [line.split("tries=")[1].split()[0] for line in said.getvalue().splitlines()] == ["3", "6", "12"]
    assert "cause=\"Storage unreachable: no answer from 'bucket'\"" in said.getvalue()
