"""Compression by zstd, the only door to it; incompressible data is recognised from a sample and stored."""

import threading

import zstandard

from backup_manager.common.errors import CorruptDataError, UsageError
from backup_manager.engine.repository.ports import Algorithm, Buffer

LEVELS = range(1, 20)  # 20 to 22 need hundreds of MiB for each thread
SAMPLE_FROM_BYTES = 16 * 1024  # below, compressing all is as cheap as looking first
SAMPLE_PIECES = 8
SAMPLE_SHARE = 32  # 1/32 of a blob is looked at: 32 KiB of 1 MiB, at level 1 about 2 % of the work saved
WORTH_IT = 0.97  # of the sample's size; media and archives stay above it, text is far below


class ZstdCompressor:
    """The compressor of format 1 (``ports.Compressor``); safe to use from several threads.

    Frames carry their content size and no checksum, since what is stored is authenticated as a whole.
    Each thread gets contexts of its own, about 1.5 MiB at level 3.
    """

    def __init__(self, level: int = 3) -> None:
        if level not in LEVELS:
            raise UsageError(f"compression level {level} is not between {LEVELS[0]} and {LEVELS[-1]}")
        self._level = level
        self._contexts = threading.local()

    def __repr__(self) -> str:
        return f"ZstdCompressor({self._level})"

    def compress(self, plain: Buffer) -> tuple[Algorithm, Buffer]:
        """Return the shorter of *plain*, as it is and uncopied, and its compressed form."""
        if len(plain) > SAMPLE_FROM_BYTES and self._sample_is_incompressible(plain):
            return Algorithm.STORED, plain
        payload = self._compressor("compressor", self._level).compress(plain)
        return (Algorithm.ZSTD, payload) if len(payload) < len(plain) else (Algorithm.STORED, plain)

    def decompress(self, algorithm: int, payload: Buffer, plain_bytes: int) -> bytes:
        """Return exactly *plain_bytes* bytes, without ever allocating more.

        Raises:
            CorruptDataError: the algorithm is unknown, or *payload* is not one whole frame of that size.
        """
        if algorithm == Algorithm.STORED:
            _check_size(len(payload), plain_bytes)
            return bytes(payload)
        if algorithm != Algorithm.ZSTD:
            raise CorruptDataError(
                f"a payload names compression algorithm {algorithm}, which format 1 does not have"
            )
        try:
            _check_size(zstandard.get_frame_parameters(payload).content_size, plain_bytes)
            plain = self._decompressor().decompress(
                payload, max_output_size=plain_bytes, allow_extra_data=False
            )
        except zstandard.ZstdError as err:
            raise CorruptDataError(f"a payload of {len(payload)} bytes is not a zstd frame: {err}") from err
        _check_size(len(plain), plain_bytes)
        return plain

    def _sample_is_incompressible(self, plain: Buffer) -> bool:
        view = memoryview(plain).cast("B")
        piece = max(1024, len(view) // SAMPLE_SHARE // SAMPLE_PIECES)
        stride = (len(view) - piece) // (SAMPLE_PIECES - 1)
        sample = b"".join(view[number * stride : number * stride + piece] for number in range(SAMPLE_PIECES))
        return len(self._compressor("sampler", 1).compress(sample)) > WORTH_IT * len(sample)

    def _compressor(self, name: str, level: int) -> zstandard.ZstdCompressor:
        context: zstandard.ZstdCompressor | None = getattr(self._contexts, name, None)
        if context is None:
            context = zstandard.ZstdCompressor(level=level, write_content_size=True, write_checksum=False)
            setattr(self._contexts, name, context)
        return context

    def _decompressor(self) -> zstandard.ZstdDecompressor:
        context: zstandard.ZstdDecompressor | None = getattr(self._contexts, "decompressor", None)
        if context is None:
            context = zstandard.ZstdDecompressor()
            self._contexts.decompressor = context
        return context


def _check_size(found: int, plain_bytes: int) -> None:
    if found != plain_bytes:
        raise CorruptDataError(f"a payload holds {found} bytes where {plain_bytes} were recorded")
