"""NET in every command: a folder in which a net was trained, and a prototxt of anybody's."""

from pathlib import Path
from shutil import copyfile, rmtree

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from netspec.schema.messages import TEST
from port.cli import main
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.reproduce.recipe import Settings, chain
from port.reproduce.stage_training import write_nets

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
    assert '`fcn bound` needs a published net, or a folder' in line
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


# -- every command, every form ---------------------------------------------------------------------

# A command's words, and what each form of NET leads to: '' is done, else words of the one line.
# Weights that are not there stand for all that a command does with a net that it has found.
FORMS = {'name': 'voc-fcn32s', 'fcn new': 'cars', 'fcn reproduce': 'run', 'file': 'own.prototxt'}
NEEDS_ROW = 'needs a published net, or a folder of `fcn new` or `fcn reproduce`'
LOST = 'absent.caffemodel'
EVERY = {
    'summary {net}': ('', '', '', ''),
    'draw {net} --out o.svg --no-graphviz': ('', '', '', ''),
    'time {net} --weights absent.caffemodel {fitted}': (LOST, LOST, LOST, LOST),
    'generate {net} --out made': ('', '', '', NEEDS_ROW),
    'pad {net} --size 20x20': ('', '', '', NEEDS_ROW),
    'bound {net} --method nearest': ('', '', '', NEEDS_ROW),
    'convert lively.caffemodel o.npz --net {net}': ('', '', '', NEEDS_ROW),
    'surgery {net} --from absent.caffemodel --out s.caffemodel': (
        LOST, LOST, LOST, 'give --recipe NAME of the published net'),
    'surgery voc-fcn32s --from absent.caffemodel --out s.caffemodel --recipe {net}': (
        LOST, LOST, LOST, NEEDS_ROW),
    'infer {net} a.png --weights absent.caffemodel --mean 1,2,3 --out o': (LOST, LOST, LOST, LOST),
    'infer voc-fcn32s a.png --weights absent.caffemodel --out o --mean {net}': (
        LOST, LOST, LOST, NEEDS_ROW),
    'export {net} --weights absent.caffemodel --out o.onnx': (LOST, LOST, LOST, LOST),
    'compare {net}:absent.caffemodel voc-fcn32s:b.caffemodel --images a.png --width 0.03125': (
        LOST, LOST, LOST, LOST),
    'score {net} --weights absent.caffemodel {data}': (LOST, LOST, LOST, LOST),
    'test {net} --weights absent.caffemodel': (
        'name its folder or file, or the data to score it on', LOST, LOST, LOST),
    'crf search {net} --weights absent.caffemodel --out c.json': (
        'name its folder or file, or the data to score it on', LOST, LOST, LOST),
    'convolutionalize {net} --out conv': ('', '', '', 'does not state the size of the images'),
    'dense {net} a.png --weights absent.caffemodel': (
        LOST, LOST, LOST, 'does not state the size of the images'),
    'reproduce {net} --weights absent.caffemodel': (
        LOST, LOST, LOST, 'no net or experiment'),
    'reproduce fixed --net {net} --weights absent.caffemodel': (
        LOST, LOST, LOST, NEEDS_ROW),
    'ablate {net} --weights absent.caffemodel --width 1': (
        LOST, LOST, LOST, NEEDS_ROW)}


@pytest.fixture(scope='module')
def forms(tmp_path_factory: pytest.TempPathFactory, scenes, lively: Path) -> Path:
    """A folder that holds a net in each form that lies on disk, and the drawn scenes as data."""
    folder = tmp_path_factory.mktemp('forms')
    (folder / 'data').symlink_to(scenes.root)
    for name in ('images', 'labels'):
        (folder / name).mkdir()
    for name in ('val_000000', 'val_000001', 'val_000002'):
        copyfile(scenes.image(name), folder / f'images/{name}.jpg')
        copyfile(scenes.label(name), folder / f'labels/{name}.png')
    (folder / 'names.txt').write_text('\n'.join(map(str, range(21))))
    done = CliRunner().invoke(main, [
        'new', 'cars', '--images', f'{folder}/images', '--labels', f'{folder}/labels',
        '--class-names', f'{folder}/names.txt', '--width', '0.03125', '--trunk', 'vgg16', '--out',
        f'{folder}/cars'])
    assert done.exit_code == 0, done.output
    settings = Settings('voc-fcn32s', str(scenes.root), width=1 / 32)
    settings.claim(folder / 'run')
    write_nets(chain(settings, folder / 'run')[0], settings)
    (folder / 'own.prototxt').write_bytes((folder / 'cars/val.prototxt').read_bytes())
    copyfile(lively, folder / 'lively.caffemodel')
    copyfile(scenes.image('val_000000'), folder / 'a.png')
    return folder


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('command', EVERY)
def test_every_command_takes_every_form_that_means_something(
        command: str, form: str, forms: Path, fcn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(forms)
    more = {'data': '--data data', 'fitted': '--width 0.03125'} if form == 'name' else {}
    words = command.format_map({'data': '', 'fitted': '', 'net': FORMS[form]} | more)
    expected = EVERY[command][list(FORMS).index(form)]
    result = fcn(*words.split())
    if expected:
        assert result.exit_code in (1, 2) and expected in result.stderr, result.output
        assert len(result.stderr.splitlines()) == 1
    else:
        assert result.exit_code == 0, result.output
    rmtree(forms / 'made', ignore_errors=True)
