"""Asking a person before something is lost."""

import click

from backup_manager.cli.call import Call
from backup_manager.cli.printable import printable
from backup_manager.common.errors import ConfirmationMissingError


def confirm(call: Call, question: str) -> None:
    """Go on only if somebody at the terminal says yes.

    Raises:
        ConfirmationMissingError: there is no terminal, or the answer is no.
    """
    if not call.surroundings.stdin_is_terminal:
        raise ConfirmationMissingError("this cannot be undone, and there is no terminal to ask at")
    if not click.confirm(printable(question), err=True):
        raise ConfirmationMissingError("the answer was no", solution="Nothing was done; nothing is needed.")
