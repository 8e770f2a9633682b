"""``doctor``: everything that can be checked before it matters."""

import click

from backup_manager.cli.call import Call, verb
from backup_manager.cli.help_text import VerbCommand
from backup_manager.cli.table import Table
from backup_manager.common.errors import UsageError
from backup_manager.contract.exit_codes import ExitCode
from backup_manager.contract.inspection import Finding, FindingLevel
from backup_manager.contract.results import Document
from backup_manager.manager.api_doctor import probe
from backup_manager.manager.workplace import Workplace

COLUMNS = ("level", "subject", "facts", "solution")


@click.command("doctor", cls=VerbCommand)
@verb
def command(call: Call) -> ExitCode | None:
    """Check configuration, store, key and clock; each finding says what to do."""
    findings = _examine(call)
    worst = next((found for found in findings if found.level is FindingLevel.ERROR), None)
    rows = [(found.level.value, found.subject, found.facts, found.solution) for found in findings]
    document: Document = {"healthy": worst is None, "findings": [found.document() for found in findings]}
    call.console.show(document, Table(COLUMNS, rows))
    return ExitCode(worst.exit_code) if worst is not None else None


def _examine(call: Call) -> list[Finding]:
    try:
        place = call.open_place()
    except UsageError as err:
        return [Finding(FindingLevel.ERROR, "configuration", err.cause, err.solution, err.exit_code)]
    return [*_configuration_findings(place), *probe(place.address)]


def _configuration_findings(place: Workplace) -> list[Finding]:
    if place.configuration is None:
        return [Finding(FindingLevel.OK, "configuration", "none is used: a repository was named directly")]
    count = len(place.configuration.policies)
    facts = f"the file is understood: {count} {'policy' if count == 1 else 'policies'}"
    warnings = [
        Finding(FindingLevel.WARNING, "configuration", warning, "Nothing must be done; it has no effect yet.")
        for warning in place.configuration.warnings
    ]
    return [Finding(FindingLevel.OK, "configuration", facts), *warnings]
