"""Bad input: one clear line on stderr that names the place, the right status, nothing written."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import surgery
from port.training.solver import Solver

NETS = {
    'a syntax error': ('conv1_1', 'num_output: 2', 'num_output 2',
                       ["2 after 'num_output'", "expected ':' and an integer"]),
    'an unknown field': ('conv1_1', 'num_output: 2', 'num_outputs: 2',
                         ["unknown field 'num_outputs' in ConvolutionParameter",
                          "did you mean 'num_output'?"]),
    'a value of another type': ('conv1_1', 'num_output: 2', 'num_output: "two"',
                                ['"two"', 'expected an integer']),
    'an unknown type': ('conv1_1', '"Convolution"', '"Convolutoin"',
                        ["layer 'conv1_1'", "unknown layer type 'Convolutoin'",
                         "did you mean 'Convolution'?"]),
    'a type like no other': ('conv1_1', '"Convolution"', '"Wobble"',
                             ["unknown layer type 'Wobble'", 'expected one of', 'in all']),
    'a bottom nobody makes': ('relu1_1', 'bottom: "conv1_1"', 'bottom: "conv1_l"',
                              ["layer 'relu1_1'", "Unknown bottom blob 'conv1_l'",
                               "did you mean 'conv1_1'?"]),
    'a loop': ('conv1_1', 'bottom: "data"', 'bottom: "pool5"',
               ["layer 'conv1_1'", "'pool5'", "layer 'pool5' (Pooling)", 'form a loop']),
    'a top made twice': ('conv1_2', 'top: "conv1_2"', 'top: "data"',
                         ["layer 'conv1_2'", "Top blob 'data' produced by multiple sources"]),
}


def damage(text: str, layer: str, before: str, after: str) -> tuple[str, int]:
    """Change one line of a layer; return the net's text and the number of that line."""
    start = text.index(f'name: "{layer}"')
    at = text.index(before, start)
    return text[:at] + after + text[at + len(before):], text.count('\n', 0, at) + 1


@pytest.mark.parametrize('case', NETS)
def test_net(case: str, trained: Path, tmp_path: Path, refused) -> None:
    layer, before, after, words = NETS[case]
    text, number = damage((trained / 'val.prototxt').read_text(), layer, before, after)
    net = tmp_path / 'net.prototxt'
    net.write_text(text)
    line = refused('score', net, '--weights', trained / 'trained.caffemodel')
    place = re.search(rf'{re.escape(str(net))}:(\d+)', line)
    assert place and 0 <= number - int(place[1]) <= 9        # the field, or its layer
    for word in words:
        assert word in line


@pytest.mark.parametrize('missing, near', [('vla.prototxt', 'val.prototxt'),
                                           ('nothing.prototxt', '')])
def test_missing_net(missing: str, near: str, trained: Path, refused) -> None:
    line = refused('test', trained / missing, '--weights', 'w.caffemodel')
    assert f'{trained / missing}: no such prototxt' in line and near in line


def test_solver_field(scenes, make_run, tmp_path: Path, refused) -> None:
    solver = make_run(tmp_path / 'r', scenes) / 'solver.prototxt'
    solver.write_text(solver.read_text().replace('base_lr', 'base_rl'))
    line = refused('train', '--solver', solver)
    assert f"{solver}:5:1: unknown field 'base_rl' in SolverParameter" in line
    assert "did you mean 'base_lr'?" in line


def foreign_weights(kind: str, good: Path) -> tuple[bytes, str]:
    """Return the bytes of something that is no weights file, and what the error says of it."""
    content = good.read_bytes()
    return {
        'truncated': (content[:20000], "the file is cut off after layer '"),
        'empty': (b'', 'this is an empty file'),
        'prototxt': (b'layer {\n  name: "x"\n}\n', 'this is a prototxt (text): the net'),
        'page': (b'<!DOCTYPE html>\n<html>404</html>', 'expected a .caffemodel'),
        'pointer': (b'version https://git-lfs.example/spec/v1\noid sha256:00', 'Git LFS pointer'),
        'zip': (b'PK\x03\x04' + bytes(100), 'a zip archive (a torch checkpoint'),
        'noise': (bytes(range(256)) * 8, 'no .caffemodel'),
    }[kind]


@pytest.mark.parametrize('kind', ['truncated', 'empty', 'prototxt', 'page', 'pointer', 'zip',
                                  'noise'])
def test_foreign_weights(kind: str, trained: Path, scenes, make_run, tmp_path: Path,
                         refused) -> None:
    content, words = foreign_weights(kind, trained / 'trained.caffemodel')
    bad = tmp_path / 'bad.caffemodel'
    bad.write_bytes(content)
    run = make_run(tmp_path / 'r', scenes)
    for args in (('score', trained / 'val.prototxt'),
                 ('train', '--solver', run / 'solver.prototxt')):
        line = refused(*args, '--weights', bad)
        assert line.startswith(f'fcn: {bad}: ') and words in line


def test_weights_of_another_shape(trained: Path, scenes, tmp_path: Path, refused) -> None:
    weights = trained / 'trained.caffemodel'
    line = refused('infer', 'voc-fcn32s', '--width', '0.0625', '--weights', weights, '--out',
                   tmp_path / 'labels', scenes.image('val_000000'))
    assert f"{weights}: layer 'conv1_1', param 0: shape mismatch: [2, 3, 3, 3]" in line
    assert 'expects [4, 3, 3, 3]' in line and 'fcn surgery' in line
    line = refused('surgery', 'voc-fcn16s', '--from', weights, '--width', '0.0625', '--out',
                   tmp_path / 'w.caffemodel')
    assert str(weights) in line and "layer 'conv1_1' blob 0" in line
    assert '(2, 3, 3, 3)' in line and '(4, 3, 3, 3)' in line


def test_missing_weights_and_state(trained: Path, scenes, make_run, tmp_path: Path,
                                   refused) -> None:
    run = make_run(tmp_path / 'r', scenes)
    absent = trained / 'traind.caffemodel'
    line = refused('train', '--solver', run / 'solver.prototxt', '--weights', absent)
    assert f'{absent}: no such weights file' in line and 'trained.caffemodel' in line
    line = refused('train', '--solver', run / 'solver.prototxt', '--snapshot',
                   tmp_path / 'x.solverstate')
    assert f'{tmp_path / "x.solverstate"}: no such solver state' in line


@pytest.mark.parametrize('content, words', [
    (b'\x08\x02\x1a\xff\x7f', 'cut off'), (b'net: "train.prototxt"\n', 'expected a .solverstate')])
def test_foreign_state(content: bytes, words: str, scenes, make_run, tmp_path: Path,
                       refused) -> None:
    bad = tmp_path / 'bad.solverstate'
    bad.write_bytes(content)
    run = make_run(tmp_path / 'r', scenes)
    line = refused('train', '--solver', run / 'solver.prototxt', '--snapshot', bad)
    assert line.startswith(f'fcn: {bad}: ') and words in line


def break_data(what: str, data) -> tuple[Path, list[str]]:
    """Damage a dataset; return the file to be named, and further words of the error."""
    name, lists = 'val_000001', data.voc / 'ImageSets' / 'Segmentation'
    listed = f'{lists / "seg11valid.txt"}:2'
    if what == 'image':
        data.image(name).unlink()
        return data.image(name), ['no such image', listed]
    if what == 'label':
        data.label(name).unlink()
        return data.label(name), ['no such label', listed]
    if what == 'split':
        (lists / 'seg11valid.txt').unlink()
        return lists / 'seg11valid.txt', ['no such split file']
    if what == 'value':
        labels = np.array(Image.open(data.label(name)))
        labels[5, 7] = 99
        Image.fromarray(labels).save(data.label(name))
        return data.label(name), ['label 99 at x=7, y=5', 'expected 0..20, or 255', listed]
    if what == 'size':
        Image.new('P', (60, 40)).save(data.label(name))
        return data.label(name), ['60x40', '64x48', listed]
    data.image(name).write_bytes(b'\xff\xd8\xff not much of a picture')
    return data.image(name), ['the image cannot be read', listed]


@pytest.mark.parametrize('what', ['image', 'label', 'split', 'value', 'size', 'broken'])
def test_data(what: str, own_scenes, trained: Path, make_run, tmp_path: Path, refused) -> None:
    run = make_run(tmp_path / 'r', own_scenes)
    path, words = break_data(what, own_scenes)
    line = refused('score', run / 'val.prototxt', '--weights',
                   trained / 'trained.caffemodel', f'--json={tmp_path / "scores.json"}', limit=800)
    for word in [str(path), *words]:
        assert word in line


def test_data_that_breaks_off_in_training(own_scenes, make_run, tmp_path: Path, fcn) -> None:
    run = make_run(tmp_path / 'r', own_scenes, max_iter=40, snapshot=2)
    names = (own_scenes.root / 'sbdd/dataset/train.txt').read_text().split()
    solver = Solver(run / 'solver.prototxt')
    first = solver.net.layers[0].instance
    used = {first.indices[first.idx]}
    solver.step(2)
    used.add(first.indices[first.idx])
    gone = next(n for n in names if n not in used)
    (own_scenes.root / 'sbdd/dataset/img' / f'{gone}.jpg').unlink()
    result = fcn('train', '--solver', run / 'solver.prototxt')
    (line,) = [text for text in result.stderr.splitlines() if text.startswith('fcn: ') and
               not text.startswith('fcn: warning')]
    assert result.exit_code == 1 and f'{gone}.jpg: no such image' in line
    assert f'train.txt:{names.index(gone) + 1}' in line and 'training stopped at iteration' in line


@pytest.mark.parametrize('ending', ['', '.h5'])
def test_loss_that_is_no_number(ending: str, scenes, trained: Path, make_run, tmp_path: Path,
                                fcn) -> None:
    """The rate jumps after three iterations; the snapshot of two stays, whole and finite."""
    more = {'snapshot_format': 'HDF5'} if ending else {}
    run = make_run(tmp_path / 'r', scenes, snapshot=2, max_iter=20, lr_policy='multistep',
                   stepvalue=[3], gamma=1e30, **more)
    result = fcn('train', '--solver', run / 'solver.prototxt', '--weights',
                 trained / 'trained.caffemodel')
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert re.match(r'fcn: iteration \d+: the (loss is|weights of).* Likely causes: a learning '
                    r'rate too high \(base_lr 1e-09\)', line)
    assert 'labels outside the classes' in line and 'not transplanted' in line
    saved = {p.name for p in (run / 'snapshot').iterdir()} - {'train.log'}
    assert saved >= {f'train_iter_2.{kind}{ending}' for kind in ('caffemodel', 'solverstate')}
    for path in (run / 'snapshot').glob(f'*.caffemodel{ending}'):
        weights = surgery.read_weights(path)
        assert all(np.isfinite(blob).all() for blobs in weights.values() for blob in blobs)
    last = re.search(r'the last snapshot stays: (\S+)\)', line)[1]
    assert Path(last).is_file()


def test_loss_that_is_no_number_at_once(scenes, make_run, tmp_path: Path, fcn) -> None:
    run = make_run(tmp_path / 'r', scenes, base_lr=1e30, snapshot=2, max_iter=20)
    result = fcn('train', '--solver', run / 'solver.prototxt')
    warning, line = result.stderr.splitlines()
    assert 'training will diverge' in warning
    assert result.exit_code == 1 and 'iteration 1: the loss is' in line
    assert 'the last snapshot would have been the first' in line
    assert {p.name for p in (run / 'snapshot').iterdir()} == {'train.log', 'train.csv'}


@pytest.mark.parametrize('count', [0, 2])
def test_gpu_that_is_not_there(count: int, trained: Path, scenes, make_run, tmp_path: Path,
                               refused, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: count > 0)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: count)
    run, net = make_run(tmp_path / 'r', scenes), (trained / 'val.prototxt',)
    weights = ('--weights', trained / 'trained.caffemodel')
    there = 'GPUs 0 to 1 are here' if count else 'no CUDA device is here'
    for args in (('train', '--solver', run / 'solver.prototxt'), ('test', *net, *weights),
                 ('score', *net, *weights),
                 ('infer', 'voc-fcn32s', *weights, '--width', '0.03125', '--out',
                  tmp_path / 'out', scenes.image('val_000000'))):
        line = refused(*args, '--gpu', '2')
        assert line == f'fcn: --gpu 2: {there}; leave --gpu out to compute on the CPU'
