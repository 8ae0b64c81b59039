"""surgery.deep_compression: SqueezeNet's released weights, unpacked."""

from math import prod
from pathlib import Path

import numpy as np
import pytest

from surgery import read_weights
from surgery.deep_compression import SHAPES

Codes = dict[str, np.ndarray]
RNG = np.random.default_rng(0)


def packed(dense: Codes, values: np.ndarray, bias: np.ndarray) -> bytes:
    """Pack codes of each convolution as the authors do: a zero kept after 15 skipped ones."""
    counts, parts = [], []
    for name, codes in dense.items():
        kept, last = [], -1
        for place in np.flatnonzero(codes):
            while place - last > 16:
                last += 16
                kept.append((15, 0))
            kept.append((place - last - 1, codes[place]))
            last = place
        skips = np.array([skip for skip, _ in kept] + [0] * (len(kept) % 2), np.uint8)
        counts.append(len(kept))
        parts += [values.astype('<f4').tobytes(), bias[:SHAPES[name][0]].astype('<f4').tobytes(),
                  np.array([code for _, code in kept], np.uint8).tobytes(),
                  (skips[::2] | skips[1::2] << 4).tobytes()]
    return np.array(counts, '<u4').tobytes() + b''.join(parts)


@pytest.fixture(scope='module')
def sparse() -> Codes:
    """A code for one weight in fifty."""
    return {name: np.where(RNG.random(prod(shape)) < 0.02, RNG.integers(1, 256, prod(shape)), 0)
            for name, shape in SHAPES.items()}


def test_codes_skips_and_biases_come_back(tmp_path: Path, sparse: Codes) -> None:
    values, bias = RNG.standard_normal(256).astype(np.float32), np.arange(1000, dtype=np.float32)
    values[0] = 0
    path = tmp_path / 'any.name'
    path.write_bytes(packed(sparse, values, bias))
    found = read_weights(path)
    assert list(found) == list(SHAPES)
    assert sum(blob.size for blobs in found.values() for blob in blobs) == 1_248_424
    for name, (weights, biases) in found.items():
        assert np.array_equal(weights, values[sparse[name]].reshape(SHAPES[name]))
        assert np.array_equal(biases, bias[:len(biases)])


def test_skips_out_of_a_convolution_are_named(tmp_path: Path, sparse: Codes) -> None:
    last = np.zeros(prod(SHAPES['conv_final']) + 1, np.uint8)
    last[-1] = 1
    path = tmp_path / 'w.net'
    path.write_bytes(packed({**sparse, 'conv_final': last}, np.zeros(256), np.zeros(1000)))
    with pytest.raises(ValueError, match=r'w\.net: conv_final of 512,000 weights has one at '
                                         '512,000: the file is damaged; download it again'):
        read_weights(path)


def test_a_file_cut_off_is_none(tmp_path: Path, sparse: Codes) -> None:
    path = tmp_path / 'w.net'
    path.write_bytes(packed(sparse, np.zeros(256), np.zeros(1000))[:-1])
    with pytest.raises(ValueError, match=r'w\.net: no \.caffemodel'):
        read_weights(path)


def test_the_released_file_is_what_its_authors_program_makes_of_it(shared: Path) -> None:
    folder = shared / 'squeezenet'
    ours, theirs = (read_weights(folder / name) for name in
                    ('compressed_SqueezeNet.net', 'squeezenet.caffemodel'))
    assert list(ours) == list(theirs)
    for name in ours:
        assert all(np.array_equal(a, b) for a, b in zip(ours[name], theirs[name], strict=True))
