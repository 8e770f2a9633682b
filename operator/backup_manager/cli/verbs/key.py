"""``key``: key files and the slots that open a repository."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from backup_manager.cli.call import Call, place_options, take_options, verb
from backup_manager.cli.completion import complete_files
from backup_manager.cli.help_text import VerbFamily
from backup_manager.cli.place import key_specs
from backup_manager.cli.table import Cell, Table
from backup_manager.common.errors import UsageError
from backup_manager.contract.inspection import KeySlotInfo
from backup_manager.contract.requests import KeySpec
from backup_manager.manager.api_keys import (
    add_slot,
    generate_key_file,
    list_slots,
    opened,
    remove_slot,
    rotate,
)
from backup_manager.manager.workplace import located_key

OPERATIONS = {
    "generate": "Failed to generate key file",
    "list": "Failed to list key slots",
    "add": "Failed to add key",
    "remove": "Failed to remove key",
    "rotate": "Failed to rotate key",
}
COLUMNS = ("id", "provider", "label", "created", "current", "key")


@click.group("key", cls=VerbFamily)
@place_options
def command(**given: object) -> None:
    """Key files and key slots; any key of any slot opens the whole repository."""
    surroundings = take_options(given)
    surroundings.operation = OPERATIONS.get(click.get_current_context().invoked_subcommand or "")


def new_key_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command take the key that is to be added."""
    for name, text in (
        ("--new-passphrase-file", "A file that holds a passphrase."),
        ("--new-key-file", "A key file, made by `key generate`."),
    ):
        option = click.option(name, metavar="FILE", shell_complete=complete_files, help=text)
        function = option(function)
    return click.option("--new-kms-key", metavar="ID", help="An AWS KMS key.")(function)


@command.command("generate")
@click.argument("path", metavar="FILE", shell_complete=complete_files)
@verb
def generate(call: Call, path: str) -> None:
    """Write a new key file, never over another file."""
    generate_key_file(Path(path).expanduser())
    call.console.show({"keyFile": path}, Table((), [("key file", path)]))
    call.console.remark("Keep a copy somewhere else: without it, nobody can read what is backed up with it.")


@command.command("list")
@verb
def list_(call: Call) -> None:
    """List the key slots of the repository."""
    with opened(call.open_address(), read_only=True) as session:
        call.remark_session(session)
        _show(call, list_slots(session))


@command.command("add")
@new_key_options
@click.option("--label", default="", help="What to call the new slot.")
@verb
def add(
    call: Call,
    new_key_file: str | None,
    new_passphrase_file: str | None,
    new_kms_key: str | None,
    label: str,
) -> None:
    """Let another key open the repository, too."""
    new = _new_key(new_key_file, new_passphrase_file, new_kms_key)
    address = call.open_address()
    with opened(address) as session:
        call.remark_session(session)
        _show_one(call, add_slot(session, located_key(new, address), label))


@command.command("remove")
@click.argument("slot")
@click.option("--force", is_flag=True, help="Remove even the slot of the key in use; never the last one.")
@verb
def remove(call: Call, slot: str, force: bool) -> None:
    """Remove a slot; its key opens nothing from then on."""
    with opened(call.open_address()) as session:
        call.remark_session(session)
        _show(call, remove_slot(session, slot, force))


@command.command("rotate")
@new_key_options
@click.option("--label", help="What to call the new slot; the old one's name by default.")
@verb
def rotate_(
    call: Call,
    new_key_file: str | None,
    new_passphrase_file: str | None,
    new_kms_key: str | None,
    label: str | None,
) -> None:
    """Put a new key in the place of the one in use.

    No data are rewritten; the key in use opens nothing from then on.
    """
    new = _new_key(new_key_file, new_passphrase_file, new_kms_key)
    place = call.open_place()
    with opened(place.address) as session:
        call.remark_session(session)
        _show_one(call, rotate(session, located_key(new, place.address), label))
    if place.configuration is not None:
        call.console.remark(
            "Change `encryption` in the configuration now: it names the key that opens nothing any more."
        )


def _new_key(key_file: str | None, passphrase_file: str | None, kms_key: str | None) -> KeySpec:
    named = key_specs(key_file, passphrase_file, kms_key, prefix="--new-")
    if len(named) != 1:
        raise UsageError(
            "one of --new-key-file, --new-passphrase-file and --new-kms-key is needed, "
            + ("and none was given" if not named else f"not {' and '.join(named)}"),
            solution="`sirsinexus backup key generate FILE` makes a new key file.",
        )
    return next(iter(named.values()))


def _show(call: Call, slots: tuple[KeySlotInfo, ...]) -> None:
    call.console.show([slot.document() for slot in slots], Table(COLUMNS, [_row(slot) for slot in slots]))


def _show_one(call: Call, slot: KeySlotInfo) -> None:
    call.console.show(slot.document(), Table(COLUMNS, [_row(slot)]))


def _row(slot: KeySlotInfo) -> tuple[Cell, ...]:
    return (slot.id, slot.provider, slot.label, slot.created_at, slot.is_current, slot.key)
