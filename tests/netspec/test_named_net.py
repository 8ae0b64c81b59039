"""What NET may be: a name, a folder of each kind, a file; and what is trained there."""

import json
from pathlib import Path

import pytest

from netspec.families.fcn import fcn
from netspec.generate import write_variant
from netspec.named_net import find_net, find_row, scored_file
from netspec.own_dataset import is_own
from netspec.schema import print_net
from netspec.variants import VARIANTS

ABOUT = {'name': 'my-cars', 'classes': ['road', 'car'], 'mean': [1.0, 2.0, 3.0],
         'images_in': {'train': 4, 'val': 2}, 'ignore_label': 255, 'stride': 16, 'pixels': 1000.0,
         'width': 0.5, 'images': '/pictures', 'labels': '/masks'}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder as `fcn new` leaves it, as far as it tells which net lies there."""
    (tmp_path / 'cars').mkdir()
    (tmp_path / 'cars/dataset.json').write_text(json.dumps(ABOUT))
    return tmp_path / 'cars'


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder as `fcn reproduce` leaves it: the 32s trained for the 16s, both narrow."""
    settings = {'name': 'voc-fcn16s', 'net': '', 'width': 0.25, 'data': '/data'}
    for name in ('voc-fcn32s', 'voc-fcn16s'):
        (tmp_path / 'run' / name / 'snapshot').mkdir(parents=True)
    (tmp_path / 'run/run.json').write_text(json.dumps(settings))
    return tmp_path / 'run'


def channels(net) -> int:
    return next(x for x in net.layer if x.name == 'conv1_1').convolution_param.num_output


def test_a_published_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path('voc-fcn8s').mkdir()                                   # ./voc-fcn8s would mean this
    found = find_net('voc-fcn8s')
    assert found.row is VARIANTS['voc-fcn8s'] and found.trained() is None
    assert found.deploy() == fcn('voc-fcn8s', 'deploy')
    assert channels(found.deploy(width=0.5)) == 32
    assert find_net(VARIANTS['voc-fcn8s']).row is VARIANTS['voc-fcn8s']


def test_a_prototxt_of_anybody(tmp_path: Path) -> None:
    path = tmp_path / 'det1.prototxt'
    path.write_text('input: "data"')
    found = find_net(path)
    assert (found.row, found.deploy(), scored_file(found)) == (None, path, path)
    with pytest.raises(ValueError, match='det1.prototxt: surgery needs a published net, or a fold'):
        find_row(path, 'surgery')


def test_a_folder_of_fcn_new(own: Path) -> None:
    found = find_net(own)
    assert is_own(own) and found.row.heads[0].names == ('road', 'car')
    assert found.row.mean == (1.0, 2.0, 3.0) and channels(found.deploy()) == 32
    assert channels(found.deploy(width=0.25)) == 16 and scored_file(found) == own / 'val.prototxt'
    for iteration in (900, 4000, 1000):
        (own / 'snapshot').mkdir(exist_ok=True)
        (own / f'snapshot/train_iter_{iteration}.caffemodel').touch()
    assert found.trained() == own / 'snapshot/train_iter_4000.caffemodel'


def test_a_folder_of_fcn_reproduce(run: Path) -> None:
    weights = run / 'voc-fcn16s/snapshot/train_iter_8.caffemodel'
    weights.touch()
    whole, stage = find_net(run), find_net(run / 'voc-fcn32s')
    assert (whole.name, stage.name) == ('voc-fcn16s', 'voc-fcn32s')
    assert whole.trained() == weights and stage.trained() is None
    assert channels(whole.deploy()) == 16
    assert scored_file(stage) == run / 'voc-fcn32s/val.prototxt'


def test_a_folder_of_fcn_generate(tmp_path: Path) -> None:
    write_variant('nyud-fcn32s-color', tmp_path / 'n')
    found = find_net(tmp_path / 'n')
    assert found.row is None and found.deploy() == tmp_path / 'n/deploy.prototxt'
    assert scored_file(found) == tmp_path / 'n/test.prototxt'


def test_an_experiment_makes_its_own_net(tmp_path: Path) -> None:
    (tmp_path / 'run.json').write_text(json.dumps({'name': 'fixed', 'net': 'voc-fcn32s'}))
    net = find_net(tmp_path).net('train')
    first = next(x for x in net.layer if x.name == 'conv1_1')
    assert [p.lr_mult for p in first.param] == [0, 0]           # the trunk stays as it is
    assert print_net(net) != print_net(fcn('voc-fcn32s', 'train'))


@pytest.mark.parametrize('given, error, words', [
    ('voc-fcn8', KeyError, "no net, folder or prototxt is named 'voc-fcn8'; did you mean 'voc-fc"),
    ('nowhere/voc-fcn8s', FileNotFoundError, 'no such prototxt; the folder nowhere does not exist'),
    ('deplo.prototxt', FileNotFoundError, "no such prototxt; did you mean 'deploy.prototxt'"),
    ('empty', FileNotFoundError, 'empty: no net in this folder; expected one that `fcn new`'),
    ('broken', ValueError, 'dataset.json: not what `fcn new` writes'),
    ('halved', ValueError, 'dataset.json: not what `fcn new` writes'),
    ('list', ValueError, 'run.json: not what `fcn reproduce` writes')])
def test_what_is_none(given: str, error: type, words: str, tmp_path: Path,
                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path, text in (('deploy.prototxt', ''), ('empty/a.txt', ''), ('broken/dataset.json', '{'),
                       ('halved/dataset.json', '{"name": "x"}'), ('list/run.json', '[]')):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(text)
    with pytest.raises(error) as raised:
        find_net(given)
    assert words in str(raised.value)
