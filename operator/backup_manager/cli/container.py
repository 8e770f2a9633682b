"""The program ``backup-manager``, which containers start: ``operator``, ``worker`` and ``crds``."""

import sys

from backup_manager.common.errors import NotAvailableError, UsageError

ROLES = ("operator", "worker", "crds")


def main() -> None:
    """Answer that the role is not there yet, by the exit code of a configuration error."""
    role = sys.argv[1] if len(sys.argv) > 1 else ""
    err: UsageError = NotAvailableError(
        f"backup-manager {role} needs the Kubernetes operator, which this version does not have",
        solution="Use `sirsinexus backup`, which needs no cluster.",
        operation=f"Failed to start the {role}",
    )
    if role not in ROLES:
        err = UsageError(
            f"backup-manager starts one of {', '.join(ROLES)}, not {role!r}",
            solution="For the command line, use `sirsinexus`.",
        )
    print("\n".join(err.lines()), file=sys.stderr)
    sys.exit(err.exit_code)


if __name__ == "__main__":
    main()
