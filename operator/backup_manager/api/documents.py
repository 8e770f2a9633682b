"""Documents of ``BackupRepository`` and ``BackupPolicy``, in the exact form of the custom resources.

Builders return plain mappings with camelCase keys; members that are None are left out. Credentials are always
references: no builder takes a secret's value.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

API_VERSION = "backup.sirsinexus.io/v1alpha1"
Manifest = dict[str, Any]

PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9./-]*")
# Words that some YAML reader takes for a boolean or for nothing; numbers begin with no letter.
QUOTED_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})


def secret_ref(name: str) -> Manifest:
    """A reference to a whole Secret."""
    return {"secretRef": {"name": name}}


def secret_key_ref(name: str, key: str) -> Manifest:
    """A reference to one key of a Secret."""
    return {"secretKeyRef": {"name": name, "key": key}}


def config_map_key_ref(name: str, key: str) -> Manifest:
    """A reference to one key of a ConfigMap."""
    return {"configMapKeyRef": {"name": name, "key": key}}


def volume_claim(claim: str) -> Manifest:
    """A volume that is a claim."""
    return {"persistentVolumeClaim": {"claimName": claim}}


def camel_case(key: str) -> str:
    """Return the camelCase of a key of the configuration file.

    >>> camel_case("keep_daily")
    'keepDaily'
    """
    return re.sub("_([a-z])", lambda match: match[1].upper(), key)


def without_absent(members: Mapping[str, Any]) -> Manifest:
    """Return *members* but those that are None."""
    return {key: value for key, value in members.items() if value is not None}


def build_repository(
    name: str, *, storage: Manifest, compression: Manifest, encryption: Manifest, grace_period: str
) -> Manifest:
    """Return a ``BackupRepository``; *storage* and *encryption* are unions with exactly one member."""
    return _resource(
        "BackupRepository",
        name,
        {
            "storage": storage,
            "compression": compression,
            "encryption": encryption,
            "maintenance": {"gracePeriod": grace_period},
        },
    )


def build_policy(
    name: str,
    *,
    repository: str,
    sources: Sequence[Manifest],
    schedule: Manifest,
    retention: Manifest | None,
    verification: Manifest | None,
) -> Manifest:
    """Return a ``BackupPolicy`` that writes to the named repository."""
    spec = {
        "repository": {"name": repository},
        "sources": list(sources),
        "schedule": schedule,
        "retention": retention,
        "verification": verification,
    }
    return _resource("BackupPolicy", name, without_absent(spec))


def render_manifest(document: Manifest, comments: Sequence[str], notes: Mapping[str, str]) -> str:
    """Return *document* as YAML under its *comments*, *notes* put behind the lines that they are keyed by.

    The key of a note is the text of :func:`line_of`.
    """
    head = "".join(f"# {_one_line(comment)}\n" for comment in comments)
    lines = []
    for line in _dump(document).splitlines():
        note = notes.get(line.strip().removeprefix("- "))
        lines.append(f"{line}  # {_one_line(note)}\n" if note else f"{line}\n")
    return head + "".join(lines)


def line_of(member: str, value: str | None = None) -> str:
    """Return the line that a member gets, without its indentation; None stands for a list or mapping."""
    return f"{member}:" if value is None else _dump({member: value}).rstrip()


def _dump(document: Manifest) -> str:
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True))


def _resource(kind: str, name: str, spec: Manifest) -> Manifest:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


class _Dumper(yaml.SafeDumper):
    """Quotes every text that a reader of another YAML version could take for something else."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless  # lists stand deeper than their key, as in the documentation
        super().increase_indent(flow, False)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_plain = PLAIN.fullmatch(text) and text.lower() not in QUOTED_WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


_Dumper.add_representer(str, _represent_text)
