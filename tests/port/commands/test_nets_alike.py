"""NET in every command: a folder in which a net was trained, and a prototxt of anybody's."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec.schema.messages import TEST
from port.engine.net import Net
from port.engine.random_weights import random_weights

# A face detector's first stage, as others publish such nets: no data layer, no FCN, one input.
DETECTOR = '''name: "P"
input: "data"
input_dim: 1 input_dim: 3 input_dim: 12 input_dim: 12
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "PReLU1" type: "PReLU" bottom: "conv1" top: "conv1" }
layer { name: "conv4-1" type: "Convolution" bottom: "conv1" top: "conv4-1"
  convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "prob1" type: "Softmax" bottom: "conv4-1" top: "prob1" }
'''


@pytest.fixture(scope='module')
def folder(trained: Path, lively: Path) -> Path:
    """The folder of a net, with weights as `fcn train` leaves them."""
    (trained / 'snapshot').mkdir(exist_ok=True)
    (trained / 'snapshot/train_iter_2.caffemodel').write_bytes(lively.read_bytes())
    return trained


@pytest.mark.parametrize('words', [
    ('summary', '{net}'), ('draw', '{net}', '--out', '{out}.svg', '--no-graphviz'),
    ('time', '{net}/deploy.prototxt', '--phase', 'test', '--iterations', 1), ('score', '{net}'),
    ('test', '{net}', '--iterations', 1), ('infer', '{net}', '{picture}', '--mean', 'voc-fcn32s',
                                           '--out', '{out}'),
    ('export', '{net}', '--out', '{out}.onnx', '--compare', '--size', '33x40'),
    ('compare', '{net}', '{net}', '--images', '{picture}', '--mean', '1,2,3', '--check')],
    ids=lambda words: words[0])
def test_a_folder_needs_no_other_file(words: tuple, folder: Path, scenes, tmp_path: Path,
                                      fcn) -> None:
    given = {'net': folder, 'out': tmp_path / 'o', 'picture': scenes.image('val_000000')}
    result = fcn(*(str(word).format(**given) for word in words))
    assert result.exit_code == 0, result.output


def test_a_folder_is_what_its_files_are(folder: Path, lively: Path, scenes, fcn) -> None:
    alone = fcn('score', folder)
    assert alone.stdout == fcn('score', folder / 'val.prototxt', '--weights', lively).stdout
    named = fcn('score', 'voc-fcn32s', '--width', 0.03125, '--weights', lively, '--data',
                scenes.root)
    assert named.exit_code == 0 and named.stdout == alone.stdout


def test_a_prototxt_of_anybodys(tmp_path: Path, scenes, fcn, refused) -> None:
    (tmp_path / 'det1.prototxt').write_text(DETECTOR)
    net = Net(tmp_path / 'det1.prototxt', TEST)
    random_weights(net, 3)
    net.save(tmp_path / 'det1.caffemodel')
    files = (tmp_path / 'det1.prototxt', '--weights', tmp_path / 'det1.caffemodel')
    result = fcn('export', *files, '--out', tmp_path / 'o.onnx', '--compare', '--size', '15x13')
    assert result.exit_code == 0 and '100.000 %' in result.stdout
    assert 'prob1' in fcn('summary', files[0]).stdout
    line = refused('infer', *files, scenes.image('val_000000'), status=2)
    assert 'det1.prototxt does not say which mean it expects subtracted; give --mean' in line
    line = refused('surgery', files[0], '--from', 'w', '--out', tmp_path / 'x', status=2)
    assert 'give --recipe NAME of the published net that it is like' in line
    line = refused('bound', files[0], status=2)
    assert 'this command needs a published net, or a folder' in line
    line = refused('score', 'voc-fcn8s', '--weights', 'w', status=2)
    assert 'give --data' in line


def test_folders_are_searched_with_those_in_them(folder: Path, tmp_path: Path, fcn) -> None:
    rng = np.random.default_rng(0)
    for name in ('a/x.png', 'b/x.jpg', 'y.png'):
        (tmp_path / 'photos' / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)).save(
            tmp_path / 'photos' / name)
    words = ('infer', folder, tmp_path / 'photos', '--mean', '1,2,3', '--out',
             tmp_path / 'photos/labels')
    for _ in range(2):                     # what the first run wrote is no picture of the second
        result = fcn(*words)
        assert result.exit_code == 0 and 'labelled 3 picture(s)' in result.stdout, result.output
    made = {str(p.relative_to(tmp_path / 'photos/labels'))
            for p in (tmp_path / 'photos/labels').rglob('*.png')}
    assert made == {f'{name}{end}.png' for name in ('a/x', 'b/x', 'y') for end in ('', '_overlay')}
