"""Shell completion: printing and installing the script that the shell needs, and completing names.

Completing never fails and never says anything: what cannot be looked up is not offered.
"""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from backup_manager.common.errors import BackupManagerError, ConfigurationError

PROGRAM = "sirsinexus"
VARIABLE = "_SIRSINEXUS_COMPLETE"
MOST_OFFERED = 100
START_FILES = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/completions/sirsinexus.fish"}
MARK = "# completion of sirsinexus"


def completion_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--show-completion`` and ``--install-completion`` to *command*."""
    show = click.option(
        "--show-completion", is_flag=True, is_eager=True, expose_value=False, callback=_show,
        help="Print the completion script of the current shell.",
    )  # fmt: skip
    install = click.option(
        "--install-completion", is_flag=True, is_eager=True, expose_value=False, callback=_install,
        help="Install completion for the current shell.",
    )  # fmt: skip
    return install(show(command))


def _show(ctx: click.Context, _option: click.Parameter, is_given: bool) -> None:
    if is_given and not ctx.resilient_parsing:
        ctx.obj.console.write_text(_script(_shell(ctx.obj.environment.get("SHELL", ""))) + "\n")
        ctx.exit()


def _install(ctx: click.Context, _option: click.Parameter, is_given: bool) -> None:
    if not is_given or ctx.resilient_parsing:
        return
    shell = _shell(ctx.obj.environment.get("SHELL", ""))
    file = Path(ctx.obj.environment.get("HOME", "~")).expanduser() / START_FILES[shell]
    file.parent.mkdir(parents=True, exist_ok=True)
    present = file.read_text() if file.exists() else ""
    if shell == "fish":
        file.write_text(_script(shell) + "\n")
    elif MARK not in present:
        line = f'eval "$({VARIABLE}={shell}_source {PROGRAM})"'
        file.write_text(f"{present.rstrip()}\n\n{MARK}\n{line}\n".lstrip())
    ctx.obj.console.write_text(f"completion for {shell} is installed in {file}; it works in new shells\n")
    ctx.exit()


def _shell(variable: str) -> str:
    name = os.path.basename(variable)
    if name not in START_FILES:
        raise ConfigurationError(
            f"the variable SHELL says {variable!r}; accepted: {', '.join(START_FILES)}",
            solution="Set SHELL to the shell that completion is for.",
        )
    return name


def _script(shell: str) -> str:
    found = get_completion_class(shell)
    assert found is not None
    return found(click.Command(PROGRAM), {}, PROGRAM, VARIABLE).source()


def complete_policies(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the policies of the configuration file that begin so."""
    return _offer(ctx, "policy_names", incomplete)


def complete_backups(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the newest backups whose ids begin so."""
    return _offer(ctx, "backup_ids", incomplete)


def complete_files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell offer files."""
    return [CompletionItem(incomplete, type="file")]


def complete_folders(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell offer folders."""
    return [CompletionItem(incomplete, type="dir")]


def _offer(ctx: click.Context, lookup: str, incomplete: str) -> list[CompletionItem]:
    try:
        names = getattr(importlib.import_module("backup_manager.cli.known_names"), lookup)(ctx)
    except (BackupManagerError, OSError):
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)][:MOST_OFFERED]
