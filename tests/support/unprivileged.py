"""Running a piece of a test as an ordinary user, whoever runs the tests."""

import email.parser  # noqa: F401  # for importlib.metadata; Python itself may lie where only root reads
import importlib.metadata  # noqa: F401
import os
import pickle
from collections.abc import Callable
from typing import TypeVar

NOBODY = 65_534

Result = TypeVar("Result")


def as_nobody(call: Callable[[], Result]) -> Result:
    """Return what *call* returns in a child process without privileges; an error there is raised here.

    Result and error must be picklable. Everything that *call* touches must be open to other users.
    """
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiving)
        with open(sending, "wb") as pipe:
            pickle.dump(_outcome(call), pipe)
        os._exit(0)
    os.close(sending)
    with open(receiving, "rb") as pipe:
        result, error = pickle.load(pipe)
    os.waitpid(child, 0)
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]  # it comes from a pickle


def _outcome(call: Callable[[], Result]) -> tuple[Result | None, Exception | None]:
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        return call(), None
    except Exception as error:  # noqa: BLE001  # it is raised again in the parent
        return None, error
