"""Names to offer while somebody types a command."""

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from backup_manager.cli.place import FilePlace, PlaceOptions, find_place
from backup_manager.contract.results import RunStatus
from backup_manager.manager.address import open_file
from backup_manager.manager.api_list import list_backups, opened
from backup_manager.manager.workplace import Workplace, open_url


def policy_names(ctx: click.Context) -> list[str]:
    """Return the policies of the file that the half-typed command names."""
    configuration = _workplace(ctx).configuration
    return [policy.name for policy in configuration.policies] if configuration else []


def backup_ids(ctx: click.Context) -> list[str]:
    """Return the ids of the repository's backups, newest first."""
    with opened(_workplace(ctx).address, read_only=True) as session:
        succeeded = (each for each in list_backups(session) if each.status is RunStatus.SUCCEEDED)
        return ["latest", *(backup.id for backup in succeeded)]


def _workplace(ctx: click.Context) -> Workplace:
    options = PlaceOptions()
    for params in (ctx.parent.params if ctx.parent else {}, ctx.params):
        options = options.overridden_by(_options(params))
    place = find_place(options, os.environ, Path.cwd())
    if isinstance(place, FilePlace):
        return open_file(place.file, os.environ, options.cache_dir)
    return open_url(place.url, place.key, options.cache_dir)


def _options(params: dict[str, Any]) -> PlaceOptions:
    names = {field.name for field in fields(PlaceOptions)}
    return PlaceOptions(**{name: value for name, value in params.items() if name in names})
