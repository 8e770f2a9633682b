"""Stores that other packages bring, by the entry-point group ``backup_manager.storage``.

An entry point is named as the URL's scheme and points to a callable: the whole URL and the options in, a
store out. It is found by package metadata, whose reading costs more than most commands; so this module is
imported only for a scheme that is not built in.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points

from backup_manager.common.errors import ConfigurationError
from backup_manager.common.suggest import nearest_name
from backup_manager.engine.storage.base import Storage

ENTRY_POINTS = "backup_manager.storage"
Opener = Callable[[str, Mapping[str, str | bool]], Storage]


def open_plugin(
    scheme: str, url: str, options: Mapping[str, str | bool], built_in: tuple[str, ...]
) -> Storage:
    """Return what the plugin for *scheme* makes of *url*.

    Raises:
        ConfigurationError: there is no such plugin (what exists is listed), or it cannot be loaded.
    """
    plugins = _find_plugins()
    if scheme not in plugins:
        schemes = sorted({*built_in, *plugins})
        near = nearest_name(scheme, schemes)
        raise ConfigurationError(
            f"storage: there is no storage {scheme!r}" + (f", did you mean {near!r}" if near else ""),
            solution=f"Use a path or one of {', '.join(schemes)}; others come as plugins ({ENTRY_POINTS}).",
        )
    try:
        opener: Opener = plugins[scheme].load()
    except (ImportError, AttributeError) as err:
        raise ConfigurationError(
            f"storage: the plugin {plugins[scheme].value!r} for {scheme!r} cannot be loaded: {err}",
            solution="Install the plugin again, with what it depends on.",
        ) from err
    return opener(url, options)


def _find_plugins() -> Mapping[str, EntryPoint]:
    return {plugin.name: plugin for plugin in entry_points(group=ENTRY_POINTS)}
