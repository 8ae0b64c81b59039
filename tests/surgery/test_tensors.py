"""Flat names '<layer>.<index>', .npz and .safetensors: bit for bit, or refused by name."""

import json
import struct
import zipfile

import numpy as np
import pytest

from surgery import Weights, read_weights, write_weights
from surgery.tensors import flatten, is_flat, unflatten, write_npz

RNG = np.random.default_rng(6)


@pytest.fixture
def weights() -> Weights:
    """Awkward names, shapes and values; types and order as a caffemodel has them."""
    odd = np.array([np.nan, -0.0, np.inf, 1e-42], 'f')
    layers = {'z/3x3.a': [RNG.standard_normal((2, 3, 1, 1)).astype('f'), odd],
              'a.0': [np.array(2.5, 'f')], 'conv1_1': [RNG.standard_normal((4, 3))],
              'gap': [None, np.zeros((0, 3), 'f'), RNG.standard_normal((1, 1, 1, 4)).astype('f')]}
    return Weights(layers, {'relu': 'ReLU', 'z/3x3.a': 'Convolution', 'a.0': 'Scale',
                            'conv1_1': 'InnerProduct', 'gap': 'Bias'}, name='net')


def same(one: dict, other: dict) -> bool:
    """Equal names, order of blobs, shapes, types and bits."""
    return one.keys() == other.keys() and all(
        len(one[k]) == len(other[k]) and all(
            a is b or (a.shape, a.dtype, a.tobytes()) == (b.shape, b.dtype, b.tobytes())
            for a, b in zip(one[k], other[k], strict=True)) for k in one)


def test_names() -> None:
    flat = flatten({'a.b/c': [np.ones(1), None, np.ones(2, 'f')], 'none': []})
    assert list(flat) == ['a.b/c.0', 'a.b/c.2']
    assert is_flat(flat) and not is_flat({}) and not is_flat(flat | {'features.0.weight': 1})
    assert not is_flat({'.0': 1}) and not is_flat({'a.01': 1})
    back = unflatten(flat)
    assert back['a.b/c'][1] is None and back.version == 'tensors'
    with pytest.raises(ValueError, match=r"w.npz: tensor 'a.99999': no layer has 99999 blobs"):
        unflatten({'a.99999': np.ones(1)}, 'w.npz')


@pytest.mark.parametrize('name', ['w.npz', 'w.safetensors', 'w.caffemodel.h5'])
def test_round_trip_is_bit_exact(weights, tmp_path, name) -> None:
    write_weights(tmp_path / name, weights)
    assert same(read_weights(tmp_path / name), weights)


def test_safetensors_keep_order_types_and_name(weights, tmp_path) -> None:
    write_weights(tmp_path / 'w.safetensors', weights)
    back = read_weights(tmp_path / 'w.safetensors')
    assert list(back) == list(weights) and back.types == weights.types
    assert (back.name, back.path) == ('net', str(tmp_path / 'w.safetensors'))


def test_what_is_not_contiguous_is_written_in_order(tmp_path) -> None:
    turned = np.arange(6, dtype='f').reshape(2, 3).T
    for name in ('w.npz', 'w.safetensors'):
        write_weights(tmp_path / name, {'a': [turned, turned.astype('>f4')]})
        back = read_weights(tmp_path / name)['a']
        assert np.array_equal(back[0], turned) and np.array_equal(back[1], turned)


def raw_safetensors(path, tensors: dict[str, tuple[str, list[int], bytes]]) -> None:
    """Write the format by hand: length of the header, header, numbers."""
    header, at = {}, 0
    for key, (kind, shape, data) in tensors.items():
        header[key] = {'dtype': kind, 'shape': shape, 'data_offsets': [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack('<Q', len(text)) + text + b''.join(t[2] for t in tensors.values()))


def test_half_precision_becomes_single(tmp_path) -> None:
    path = tmp_path / 'w.safetensors'
    raw_safetensors(path, {'a.0': ('BF16', [2], b'\xc0\x3f\x00\xc1'),
                           'a.1': ('F16', [1], np.float16(0.1).tobytes())})
    one, other = read_weights(path)['a']
    assert one.tolist() == [1.5, -8] and other == np.float32(np.float16(0.1))
    assert one.dtype == other.dtype == np.float32
    raw_safetensors(path, {'a.0': ('BOOL', [1], b'\1')})
    with pytest.raises(ValueError, match="tensor 'a.0' is BOOL; expected F32"):
        read_weights(path)


def test_foreign_notes_are_ignored(tmp_path) -> None:
    from safetensors.numpy import save
    for notes in ({'format': 'pt'}, {'layers': '{'}, {'layers': '["a"]'}):
        (tmp_path / 'w').write_bytes(save({'a.0': np.ones(1, 'f')}, notes))
        assert read_weights(tmp_path / 'w').types == {'a': ''}


@pytest.mark.parametrize('name', ['w.npz', 'w.safetensors'])
def test_cut_files(weights, tmp_path, name) -> None:
    write_weights(tmp_path / name, weights)
    whole = (tmp_path / name).read_bytes()
    for size in (60, len(whole) // 2, len(whole) - 1):
        (tmp_path / name).write_bytes(whole[:size])
        with pytest.raises(ValueError, match=f'{name}: .*(damaged|truncated)'):
            read_weights(tmp_path / name)


def test_nothing_is_unpickled(tmp_path) -> None:
    np.savez(tmp_path / 'w.npz', **{'a.0': np.array([print], object)})
    with pytest.raises(ValueError, match='w.npz: holds Python objects, which are never'):
        read_weights(tmp_path / 'w.npz')
    np.savez(tmp_path / 'w.npz', **{'a.0': np.array(['x'])})
    with pytest.raises(ValueError, match="tensor 'a.0' is <U1; expected floats"):
        read_weights(tmp_path / 'w.npz')


def test_an_empty_file_of_tensors(tmp_path) -> None:
    raw_safetensors(tmp_path / 'w', {})
    with pytest.raises(ValueError, match='it holds no tensor'):
        read_weights(tmp_path / 'w')


def test_torchvisions_names_need_a_mean(tmp_path) -> None:
    tensors = {f'features.{i}.{part}': np.ones(
        2 if part == 'bias' else (2, 2 if i else 3, 3, 3), 'f')
        for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28) for part in ('weight', 'bias')}
    np.savez(tmp_path / 'vgg.npz', **tensors)
    with pytest.raises(ValueError, match="vgg.npz: these are torchvision's vgg16: its first layer "
                                         'must be rewritten .*fcn convert'):
        read_weights(tmp_path / 'vgg.npz')
    assert read_weights(tmp_path / 'vgg.npz', (1, 2, 3))['conv5_3'][0].shape == (2, 2, 3, 3)
    np.savez(tmp_path / 'vgg.npz', **{'stem.weight': np.ones(1)})
    with pytest.raises(ValueError, match='vgg.npz: tensors stem.weight are named neither'):
        read_weights(tmp_path / 'vgg.npz', (1, 2, 3))


def npy(shape: tuple, descr: str = '<f4', data: bytes = b'', version: tuple = (1, 0)) -> bytes:
    """A .npy member whose header says what it likes."""
    header = repr({'descr': descr, 'fortran_order': False, 'shape': shape}).encode()
    header += b' ' * (-(len(header) + 11) % 64) + b'\n'
    return b'\x93NUMPY' + bytes(version) + struct.pack('<H', len(header)) + header + data


@pytest.mark.parametrize(('member', 'said'), [
    (npy((40 * 10 ** 9,)), 'asks for 160,000,000,000 bytes, it holds 0'),
    (npy((2, -3), data=bytes(24)), 'asks for'),
    (npy((3,), '|V0'), 'is .*V0; expected floats'),
    (npy((3,), '<c8', bytes(24)), 'is complex64; expected floats'),
    (npy((1,), data=bytes(4), version=(7, 0)), 'damaged'),
    (npy((10 ** 30,)), 'asks for'),
    (b'', 'damaged')])
def test_an_npz_that_asks_for_more_than_it_holds(tmp_path, member: bytes, said: str) -> None:
    with zipfile.ZipFile(tmp_path / 'w.npz', 'w') as archive:
        archive.writestr('conv.0.npy', member)
    with pytest.raises(ValueError, match=f'w.npz: .*{said}'):
        read_weights(tmp_path / 'w.npz')


def test_an_npz_that_packs_more_than_deflate_can(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / 'w.npz', 'w', zipfile.ZIP_LZMA) as archive:
        archive.writestr('conv.0.npy', npy((10 ** 6,), data=bytes(4 * 10 ** 6)))
    with pytest.raises(ValueError, match='w.npz: damaged .npz: it would grow from'):
        read_weights(tmp_path / 'w.npz')


def test_an_npz_that_numpy_packed_is_read(tmp_path) -> None:
    arrays = {'a.0': np.zeros((1000, 100), 'f'), 'b.0': np.asfortranarray(RNG.random((3, 4))),
              'c.0': np.zeros((0, 3), 'f'), 'd.0': np.float32(3), 'e.0': np.arange(3, dtype='>i2')}
    np.savez_compressed(tmp_path / 'w.npz', **arrays)
    back = read_weights(tmp_path / 'w.npz')
    for key, array in arrays.items():
        np.testing.assert_array_equal(back[key[0]][0], array)
        assert back[key[0]][0].flags.writeable


@pytest.mark.parametrize('name', ['file', 'allow_pickle', 'args', 'kwds'])
def test_tensors_named_like_arguments(tmp_path, name: str) -> None:
    """np.savez has arguments of these names."""
    tensors = {name: np.arange(3.), f'{name}.0': np.ones((2, 2), 'f')}
    write_npz(tmp_path / 'w.npz', tensors)
    with np.load(tmp_path / 'w.npz') as file:
        assert {key: file[key].tolist() for key in file} == {
            key: array.tolist() for key, array in tensors.items()}


def test_npz_has_the_bytes_of_numpys(tmp_path) -> None:
    tensors = {'a.0': np.arange(6.).reshape(2, 3), 'b.0': np.ones((), 'f'),
               'c.0': np.asfortranarray(np.eye(3))}
    write_npz(tmp_path / 'ours.npz', tensors)
    np.savez(tmp_path / 'numpys.npz', **tensors)
    assert (tmp_path / 'ours.npz').read_bytes() == (tmp_path / 'numpys.npz').read_bytes()
