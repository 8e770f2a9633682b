"""Where a file is cut: FastCDC (2020), seeded for each repository; the only door to pyfastcdc.

What the seed does: pyfastcdc XORs every value of its published gear table with it. Cuts then depend on a
secret, so that the sizes of stored chunks do not tell which well-known file they come from. It is one
value for the whole table, and the masks look at 48 bits of the hash: it keeps an observer of stored sizes
from looking files up in a list, it is no cipher. What guards content is sealing.
"""

from typing import Final

from pyfastcdc import FastCDC

from backup_manager.common.errors import UsageError
from backup_manager.engine.repository.ports import Buffer

MIN_BYTES = 256 * 1024
TARGET_BYTES = 1024 * 1024
MAX_BYTES = 4 * 1024 * 1024
NORMALIZATION: Final = 1
EFFECTIVE_BITS = (1 << 48) - 1  # no mask reaches a higher bit, and pyfastcdc refuses a seed of 64 bits


class Chunker:
    """Cuts streams by their content; the cuts are part of the format, equal on every platform.

    It keeps no state between calls and may be used from several threads.
    """

    max_bytes = MAX_BYTES

    def __init__(self, seed: bytes) -> None:
        """*seed*: the 8 bytes of the repository's ``chunker_seed``, little-endian."""
        number = int.from_bytes(seed, "little") & EFFECTIVE_BITS
        if len(seed) != 8 or not number:
            raise UsageError("a chunker's seed has 8 bytes, of which the first six are not all zero")
        self._cutter = FastCDC(
            TARGET_BYTES,
            min_size=MIN_BYTES,
            max_size=MAX_BYTES,
            normalized_chunking=NORMALIZATION,
            seed=number,
        )

    def __repr__(self) -> str:
        return "Chunker()"

    def cut(self, buffer: Buffer, final: bool) -> list[int]:
        """Return the lengths of the chunks that *buffer* begins with.

        They may add up to less than the buffer: what is left, always less than ``max_bytes``, is the
        beginning of the next buffer. With *final*, the buffer ends where the file ends, and nothing is
        left. A chunk is cut only when ``max_bytes`` bytes of the file from its beginning are there, or all
        of them, so that the cuts do not depend on how a file was read. No bytes, no chunk.
        """
        left = len(buffer)
        lengths: list[int] = []
        if not final and left < MAX_BYTES:
            return lengths
        for chunk in self._cutter.cut_buf(buffer):
            lengths.append(chunk.length)
            left -= chunk.length
            if not final and left < MAX_BYTES:
                break
        return lengths
