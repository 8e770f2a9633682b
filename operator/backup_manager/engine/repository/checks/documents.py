"""The small sealed objects of one kind, each opened and decoded."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from backup_manager.common.errors import CorruptDataError, ObjectMissingError
from backup_manager.engine.repository.documents import open_document
from backup_manager.engine.repository.names import document_object, parse_document_object
from backup_manager.engine.repository.ports import Compressor, ObjectKind, Vault
from backup_manager.engine.repository.problems import Problem
from backup_manager.engine.repository.read_ahead import map_ahead
from backup_manager.engine.storage.base import Storage

Decode = Callable[[bytes], object]


def check_documents(
    storage: Storage, vault: Vault, compressor: Compressor, kind: ObjectKind, decode: Decode
) -> Iterator[Problem]:
    """Yield what is wrong with the objects of *kind* that the store lists; one that vanishes is no problem.

    *decode* raises ``CorruptDataError`` for plain bytes that are no such document.
    """

    def check(name: str) -> Problem | None:
        object_name = document_object(kind, name)
        try:
            decode(open_document(vault, compressor, kind, name, storage.get(object_name)))
        except CorruptDataError as err:
            return Problem(object_name, err.facts)
        except ObjectMissingError:
            return None  # maintenance has removed it since it was listed
        return None

    listed = (parse_document_object(kind, info.name) for info in storage.list(f"{kind.value}/"))
    names = sorted(name for name in listed if name)
    threads = max(1, storage.properties.connections)
    with ThreadPoolExecutor(threads, thread_name_prefix="verify") as pool:
        for problem in map_ahead(pool, check, names, ahead=2 * threads):
            if problem is not None:
                yield problem
