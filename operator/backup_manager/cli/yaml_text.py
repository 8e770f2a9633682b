"""A result as YAML; imported only for ``-o yaml``."""

import yaml

from backup_manager.contract.results import Json


def render_yaml(document: Json) -> str:
    """Return one document with its keys in their order; ASCII only, so that no name can do harm."""
    text: str = yaml.safe_dump(document, sort_keys=False, default_flow_style=False, width=110)
    return text
