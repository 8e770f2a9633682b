import random
from pathlib import Path

from backup_manager.engine.processors.compress import ZstdCompressor
from backup_manager.engine.processors.crypto import RepositoryVault
from backup_manager.engine.repository.blobs import BlobStore
from backup_manager.engine.repository.cache import CachingStorage
from backup_manager.engine.repository.index import load_index
from backup_manager.engine.repository.names import PackKind
from backup_manager.engine.repository.pack import EncodedBlob
from backup_manager.engine.repository.pack_check import verify_pack
from backup_manager.engine.repository.pack_writer import PackWriter
from backup_manager.engine.repository.secrets import Secrets
from backup_manager.engine.storage.local import LocalStorage


def test_two_runs_into_a_folder_are_read_back_by_a_third(tmp_path: Path) -> None:
    vault = RepositoryVault(Secrets(b"m" * 32, b"i" * 32, b"c" * 8), "ab" * 16)
    compressor = ZstdCompressor()
    folder = LocalStorage(tmp_path / "repository", create=True)
    folder.check()
    source = random.Random(1)
    plains = [source.randbytes(300_000) if n % 2 else b"text %d" % n * 20_000 for n in range(60)]
    for count in (40, 60):
        storage = CachingStorage(folder, tmp_path / "cache", "ab" * 16, vault)
        with PackWriter(storage, vault, load_index(storage, vault)) as writer:
            for plain in plains[:count]:
                blob = EncodedBlob(vault.blob_id(plain), *_encode(compressor, plain))
                writer.put(blob, PackKind.METADATA if len(plain) < 250_000 else PackKind.DATA)
            writer.flush()
    assert writer.statistics.blobs == 20
    index = load_index(folder, vault, with_members=False)
    blobs = BlobStore(storage, vault, compressor, index)
    assert list(blobs.fetch_many(map(vault.blob_id, plains))) == plains
    for name, kind in index.packs().items():
        assert list(verify_pack(folder, vault, compressor, kind, name)) == []


def _encode(compressor: ZstdCompressor, plain: bytes) -> tuple[object, int, object]:
    algorithm, payload = compressor.compress(plain)
    return algorithm, len(plain), payload
