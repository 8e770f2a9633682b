import io
import json
import logging
from collections.abc import Iterator

import pytest

from backup_manager.common.log import configure_logging, get_log


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    logger = logging.getLogger("backup_manager")
    before = (list(logger.handlers), logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


def lines(*, as_json: bool, level: str = "info") -> tuple[io.StringIO, str]:
    stream = io.StringIO()
    configure_logging(level, as_json=as_json, stream=stream)
    return stream, "backup_manager.test"


def test_plain_line_carries_bound_and_own_values() -> None:
    stream, name = lines(as_json=False)
    get_log(name).bind(policy="files").info("backup stored 100%", new_bytes=12, note="two words\nand more")
    _, _, rest = stream.getvalue().partition(" ")
    assert rest == 'INFO backup stored 100% policy=files new_bytes=12 note="two words\\nand more"\n'


def test_json_line_keeps_its_own_keys() -> None:
    stream, name = lines(as_json=True)
    get_log(name).warning("retried", level=3, seconds=1.5)
    document = json.loads(stream.getvalue())
    assert list(document) == ["time", "level", "event", "logger", "level_", "seconds"]
    assert document["level"] == "warning"


def test_lower_levels_are_left_out_and_exceptions_shown() -> None:
    stream, name = lines(as_json=False)
    log = get_log(name)
    log.debug("for us")
    assert stream.getvalue() == ""
    log.error("failed", code=1)
    assert "ERROR failed code=1" in stream.getvalue()


def test_second_call_replaces_the_first() -> None:
    first, _ = lines(as_json=False)
    second, name = lines(as_json=False)
    get_log(name).info("event")
    assert first.getvalue() == ""
    assert second.getvalue()


@pytest.mark.parametrize("as_json", [True, False])
def test_traceback_is_kept(as_json: bool) -> None:
    stream, name = lines(as_json=as_json)
    try:
        int("inner")
    except ValueError:
        logging.getLogger(name).exception("failed")
    assert "invalid literal" in stream.getvalue()
