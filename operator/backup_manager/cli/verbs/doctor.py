"""``doctor``: everything that can be checked before it matters."""

from collections.abc import Sequence

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
    document: Document = {"healthy": worst is None, "findings": [found.document() for found in findings]}
    call.console.show(document, _table(findings, for_person=call.console.draws_tables))
    return ExitCode(worst.exit_code) if worst is not None else None


def _table(findings: Sequence[Finding], *, for_person: bool) -> Table:
    """Return a row for each finding; a person gets facts and solution as one text, which wraps well."""
    if not for_person:
        return Table(
            COLUMNS, [(found.level.value, found.subject, found.facts, found.solution) for found in findings]
        )
    texts = [f"{found.facts}. {found.solution}" if found.solution else found.facts for found in findings]
    rows = [(found.level.value, found.subject, text) for found, text in zip(findings, texts, strict=True)]
    return Table(("level", "subject", "finding"), rows)


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
