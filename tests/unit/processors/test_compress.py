import os
import random
import threading

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from backup_manager.common.errors import CorruptDataError, UsageError
from backup_manager.engine.processors.compress import ZstdCompressor
from backup_manager.engine.repository.ports import Algorithm

NOISE = random.Random(7).randbytes(1 << 20)
TEXT = b"".join(b"line %d of a text that compresses well\n" % number for number in range(28_000))[: 1 << 20]


@given(plain=st.one_of(st.binary(max_size=2000), st.binary(max_size=50).map(lambda seed: seed * 2000)))
def test_what_was_compressed_decompresses(plain: bytes) -> None:
    compressor = ZstdCompressor()
    algorithm, payload = compressor.compress(plain)

    assert len(payload) <= len(plain)
    assert compressor.decompress(algorithm, payload, len(plain)) == plain


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        pytest.param(b"", Algorithm.STORED, id="nothing"),
        pytest.param(b"ab", Algorithm.STORED, id="two bytes"),
        pytest.param(TEXT, Algorithm.ZSTD, id="text"),
        pytest.param(NOISE, Algorithm.STORED, id="noise"),
        pytest.param(NOISE[:17_000], Algorithm.STORED, id="a little noise"),
        pytest.param(NOISE[:9_000], Algorithm.STORED, id="noise below the sample's limit"),
        pytest.param(NOISE[: 1 << 19] + TEXT[: 1 << 19], Algorithm.ZSTD, id="half noise"),
        pytest.param(TEXT[: 1 << 18] + NOISE[: 3 << 18], Algorithm.ZSTD, id="a quarter text"),
        pytest.param(bytearray(TEXT), Algorithm.ZSTD, id="a bytearray"),
        pytest.param(memoryview(TEXT)[1000:500_000], Algorithm.ZSTD, id="a view"),
    ],
)
def test_what_does_not_shrink_is_stored(plain: bytes, expected: Algorithm) -> None:
    compressor = ZstdCompressor()
    algorithm, payload = compressor.compress(plain)

    assert algorithm is expected
    assert compressor.decompress(algorithm, payload, len(plain)) == bytes(plain)


def test_noise_is_returned_uncopied() -> None:
    assert ZstdCompressor().compress(NOISE)[1] is NOISE


def test_frames_have_a_size_and_no_checksum() -> None:
    frame = zstandard.get_frame_parameters(bytes(ZstdCompressor().compress(TEXT)[1]))

    assert frame.content_size == len(TEXT)
    assert not frame.has_checksum


def frame(plain: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(plain)


@pytest.mark.parametrize(
    ("algorithm", "payload", "plain_bytes"),
    [
        pytest.param(0, b"abc", 4, id="stored, too short"),
        pytest.param(0, b"abcd", 3, id="stored, too long"),
        pytest.param(1, frame(b"abc"), 4, id="smaller than recorded"),
        pytest.param(1, frame(bytes(1 << 24)), 100, id="a bomb"),
        pytest.param(1, frame(b"abc")[:-1], 3, id="cut"),
        pytest.param(1, frame(b"abc") + b"x", 3, id="followed by something"),
        pytest.param(1, frame(b"abc") * 2, 3, id="two frames"),
        pytest.param(1, b"", 0, id="no frame"),
        pytest.param(1, b"not a frame", 11, id="something else"),
        pytest.param(
            1, zstandard.ZstdCompressor(write_content_size=False).compress(b"a" * 99), 99, id="unsized"
        ),
        pytest.param(2, b"abc", 3, id="an unknown algorithm"),
    ],
)
def test_a_payload_that_is_not_what_was_recorded_is_corrupt(
    algorithm: int, payload: bytes, plain_bytes: int
) -> None:
    with pytest.raises(CorruptDataError):
        ZstdCompressor().decompress(algorithm, payload, plain_bytes)


@pytest.mark.parametrize("level", [0, -1, 20, 99])
def test_levels_out_of_range_are_refused(level: int) -> None:
    with pytest.raises(UsageError, match="between 1 and 19"):
        ZstdCompressor(level)


def test_a_higher_level_compresses_more() -> None:
    data = b"".join(os.path.join(b"folder", b"%d" % (number * 7919 % 10_007)) for number in range(50_000))

    assert len(ZstdCompressor(12).compress(data)[1]) < len(ZstdCompressor(1).compress(data)[1])


def test_threads_share_a_compressor() -> None:
    compressor, results = ZstdCompressor(), []

    def work() -> None:
        for _ in range(20):
            algorithm, payload = compressor.compress(TEXT[:100_000])
            results.append(compressor.decompress(algorithm, payload, 100_000) == TEXT[:100_000])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == [True] * 80
    assert repr(compressor) == "ZstdCompressor(3)"
