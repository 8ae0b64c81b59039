"""Files of other kinds are named as what they are."""

import gzip
import pickle
import zipfile

import numpy as np
import pytest

from surgery.foreign import foreign, magic
from surgery.weight_files import read_weights


def make_npz(path):
    with path.open('wb') as file:
        np.savez(file, a=np.zeros(3))


def make_zip(path):
    with zipfile.ZipFile(path, 'w') as file:
        file.writestr('archive/data.pkl', b'x')


MAKERS = {
    'zip archive': make_zip, 'tensors a are named neither': make_npz,
    'pickle': lambda path: path.write_bytes(pickle.dumps([1, 2], 2)),
    'gzip': lambda path: path.write_bytes(gzip.compress(b'weights')),
    'LFS': lambda path: path.write_text('version https://git-lfs.github.com/spec/v1\noid sha256:0'),
    'web page': lambda path: path.write_text('<!DOCTYPE html><html>404'),
    'prototxt': lambda path: path.write_text('name: "VGG"\nlayer {\n name: "a" }\n'),
    'solver': lambda path: path.write_text('train_net: "train.prototxt"\nbase_lr: 1e-10\n'),
    'text file': lambda path: path.write_text('hello there'),
    'empty': lambda path: path.write_bytes(b''),
    'solverstate': lambda path: path.write_bytes(b'\x08\x05\x1a\x02\x2a\x00'),
    'safetensors': lambda path: path.write_bytes(b'\x10' + bytes(7) + b'{"a":{}}' + bytes(20)),
}


@pytest.mark.parametrize('kind', MAKERS)
def test_a_foreign_file_is_named(tmp_path, kind):
    path = tmp_path / 'vgg16.caffemodel'
    MAKERS[kind](path)
    with pytest.raises(ValueError, match=rf'vgg16\.caffemodel: .*{kind}') as error:
        read_weights(path)
    assert '\n' not in str(error.value)


def test_a_caffemodel_is_not_foreign(golden):
    assert foreign(magic(golden / 'surgery' / 'sgd_heavy_iter_5.caffemodel')) == ''


def test_a_missing_file_is_named_with_its_neighbour(tmp_path):
    (tmp_path / 'vgg16-fcn.caffemodel').write_bytes(b'x')
    with pytest.raises(FileNotFoundError, match='did you mean .*vgg16-fcn.caffemodel'):
        read_weights(tmp_path / 'vgg16fcn.caffemodel')
