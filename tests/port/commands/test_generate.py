"""fcn generate: files of a net, fitted to a machine and a dataset; --check finds drift."""

import ast
from pathlib import Path

import pytest

from netspec.families.fcn import fcn as make_net
from netspec.schema import print_net, read_net, read_solver
from netspec.variants import VARIANTS

ROOT = Path(__file__).resolve().parents[3]


def test_one_folder(tmp_path: Path, fcn) -> None:
    out = tmp_path / 'a' / 'b'
    result = fcn('generate', 'voc-fcn16s', '--out', out, '--width', 0.25, '--classes', 5,
                 '--data', '/data', '--ignore-label', 7, '--set', 'base_lr=1e-8',
                 '--set', 'test_initialization=true', '--set', 'snapshot_prefix=s/t')
    assert result.exit_code == 0
    assert result.stderr == 'fcn: /data: no such folder here; training will look for data there\n'
    names = ['train', 'val', 'deploy', 'solver']
    assert result.stdout.split() == [str(out / f'{name}.prototxt') for name in names]
    net = read_net(out / 'train.prototxt')
    layers = {layer.name: layer for layer in net.layer}
    assert layers['conv1_1'].convolution_param.num_output == 16
    assert layers['score_fr'].convolution_param.num_output == 5
    assert layers['loss'].loss_param.ignore_label == 7
    assert '/data' in layers['data'].python_param.param_str
    solver = read_solver(out / 'solver.prototxt')
    assert solver.base_lr == pytest.approx(1e-8) and solver.test_initialization
    assert (solver.snapshot_prefix, solver.train_net) == ('s/t', 'train.prototxt')


def test_published_places(tmp_path: Path, fcn, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert fcn('generate', 'siftflow-fcn8s').exit_code == 0
    for place in ('prototxt/siftflow-fcn8s/trainval.prototxt',
                  'solvers/siftflow-fcn8s/solver.prototxt'):
        assert (tmp_path / place).read_bytes() == (ROOT / place).read_bytes()


def test_check_of_everything(fcn) -> None:
    result = fcn('generate', '--all', '--check', '--out', ROOT)
    assert (result.exit_code, result.output) == (0, 'all files are as generated\n')


def test_everything_into_a_folder(tmp_path: Path, fcn) -> None:
    assert fcn('generate', '--all', '--out', tmp_path / 'new').exit_code == 0
    assert fcn('generate', '--all', '--check', '--out', tmp_path / 'new').exit_code == 0
    made = {p.relative_to(tmp_path / 'new') for p in (tmp_path / 'new').rglob('*.prototxt')}
    assert made == {p.relative_to(ROOT) for top in ('prototxt', 'solvers')
                    for p in (ROOT / top).rglob('*.prototxt')}


def test_data_is_the_folder_of_all_datasets_or_of_one(tmp_path: Path, scenes, fcn) -> None:
    """What was two levels deeper than in the other commands, and failed when training."""
    def folders(net: str, data: Path) -> list[dict]:
        result = fcn('generate', net, '--out', tmp_path / net, '--data', data)
        assert (result.exit_code, result.stderr) == (0, '')
        texts = [read_net(tmp_path / net / f'{split}.prototxt').layer[0].python_param.param_str
                 for split in ('train', 'val')]
        return [{k: v for k, v in ast.literal_eval(t).items() if k.endswith('_dir')} for t in texts]
    assert folders('voc-fcn32s', scenes.root) == [
        {'sbdd_dir': str(scenes.root / 'sbdd/dataset')}, {'voc_dir': str(scenes.voc)}]
    assert folders('voc-fcn16s', scenes.voc) == [{'voc_dir': str(scenes.voc)}] * 2
    (tmp_path / 'data/camvid').mkdir(parents=True)
    for given in ('data', 'data/camvid'):
        assert folders('camvid-fcn32s', tmp_path / given) == [
            {'camvid_dir': str(tmp_path / 'data/camvid')}] * 2


def test_check_names_what_drifted(tmp_path: Path, fcn, refused, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert fcn('generate', 'voc-fcn8s').exit_code == 0
    assert fcn('generate', 'voc-fcn8s', '--check').exit_code == 0
    net = tmp_path / 'prototxt' / 'voc-fcn8s' / 'deploy.prototxt'
    net.write_text(net.read_text().replace('num_output: 21', 'num_output: 20', 1))
    line = refused('generate', 'voc-fcn8s', '--check')
    assert str(net.relative_to(tmp_path)) in line and 'run the same without --check' in line


@pytest.mark.parametrize('filler', ['msra', 'xavier'])
def test_filler(filler: str, tmp_path: Path, fcn) -> None:
    assert fcn('generate', 'voc-fcn32s', '--out', tmp_path, '--filler', filler).exit_code == 0
    conv = next(x for x in read_net(tmp_path / 'train.prototxt').layer if x.name == 'conv3_1')
    assert conv.convolution_param.weight_filler.type == filler


def test_heads_take_their_own_counts(tmp_path: Path, fcn) -> None:
    assert fcn('generate', 'siftflow-fcn32s', '--out', tmp_path, '--classes', '5,2').exit_code == 0
    text = (tmp_path / 'deploy.prototxt').read_text()
    assert text == print_net(make_net(VARIANTS['siftflow-fcn32s'], 'deploy', classes=(5, 2)))


@pytest.mark.parametrize('status, args, words', [
    (2, [], 'name one net, or give --all'),
    (2, ['voc-fcn8s', '--all'], 'name one net, or give --all'),
    (2, ['--all', '--width', '0.5'], '--all takes --check and --out only'),
    (2, ['voc-fcn8s', '--set', 'base_lr'], 'expected KEY=VALUE, such as base_lr=1e-8'),
    (2, ['voc-fcn8s', '--classes', 'x'], "'x' is not a number of classes"),
    (2, ['voc-fcn8s', '--filler', 'zero'], "'zero' is not one of 'msra', 'xavier'"),
    (1, ['voc-fcn8s', '--set', 'base_rl=1'], "SolverParameter has no field 'base_rl'"),
    (1, ['voc-fcn8s', '--set', 'base_lr=big'], "SolverParameter.base_lr is given 'big'"),
    (2, ['voc-fcn8s', '--width', '0'], '0.0 is not in the range x>0'),
    (2, ['voc-fcn8s', '--classes', '0'], "'0': expected 1 class or more"),
    (1, ['voc-fcn8s', '--classes', '2,2'], 'classes (2, 2): expected positive counts'),
])
def test_refusals_write_nothing(status: int, args: list[str], words: str, tmp_path: Path,
                                refused) -> None:
    out = [] if '--all' in args or not args else ['--out', tmp_path / 'new']
    assert words in refused('generate', *args, *out, status=status)
    assert list(tmp_path.iterdir()) == []


def test_a_trained_folder_is_not_written_over(tmp_path: Path, fcn, refused) -> None:
    def generate(*options: str) -> tuple:
        return ('generate', 'voc-fcn32s', '--out', tmp_path / 'r', *options)
    for rate in ('base_lr=1e-8', 'base_lr=1e-9'):
        assert fcn(*generate('--set', rate)).exit_code == 0
        (tmp_path / 'r' / 'snapshot').mkdir(exist_ok=True)
    (tmp_path / 'r' / 'snapshot' / 'train_iter_1.caffemodel').write_bytes(b'')
    (tmp_path / 'r' / 'val.prototxt').unlink()
    assert fcn(*generate('--set', 'base_lr=1e-9')).exit_code == 0       # the same, and what lacks
    assert (tmp_path / 'r' / 'val.prototxt').is_file()
    line = refused(*generate('--set', 'base_lr=1e-7', '--classes', '5'))
    assert f'{tmp_path / "r"}: a net was trained there' in line and 'another --out' in line
    assert 'train.prototxt, val.prototxt, deploy.prototxt, solver.prototxt' in line
    assert fcn(*generate('--check')).exit_code == 1


def test_the_authors_form(tmp_path: Path, fcn, refused) -> None:
    result = fcn('generate', 'deeplab-largefov', '--syntax', 'authors', '--out', tmp_path,
                 '--width', 1 / 16, '--define', 'TRAIN_SET=trainval_aug')
    assert result.exit_code == 0 and result.stderr == ''
    names = ['train', 'test', 'test_crf', 'deploy21', 'solver', 'solver2']
    assert result.stdout.split() == [str(tmp_path / f'{name}.prototxt') for name in names]
    text = (tmp_path / 'train.prototxt').read_text()
    assert 'type: IMAGE_SEG_DATA' in text and 'voc12/list/trainval_aug.txt' in text
    for status, wrong, said in (
            (1, ('voc-fcn8s', '--out', tmp_path), "voc-fcn8s is no net of DeepLab's"),
            (1, ('deeplab-msc', '--out', tmp_path, '--define', 'X=1'), "no placeholder 'X'"),
            (2, ('deeplab-msc',), '--syntax authors takes a net, --out'),
            (2, ('--all',), '--syntax authors takes a net, --out'),
            (2, ('deeplab-msc', '--out', tmp_path, '--data', 'd'), '--width, --classes')):
        assert said in refused('generate', *wrong, '--syntax', 'authors', status=status)
    assert '--syntax authors' in refused('generate', 'deeplab-msc', '--define', 'EXP=x', status=2)
    assert 'NAME=VALUE' in refused('generate', 'deeplab-msc', '--define', 'EXP', status=2)


def test_a_trunk_a_trous(tmp_path: Path, fcn) -> None:
    result = fcn('generate', 'voc-fcn32s', '--out', tmp_path / 'a', '--output-stride', 8,
                 '--width', 0.125)
    assert result.exit_code == 0, result.stderr
    for name in ('train', 'val', 'deploy'):
        text = (tmp_path / f'a/{name}.prototxt').read_text()
        assert text.startswith('# Caffe cannot read this net: ')
        layers = {layer.name: layer for layer in read_net(tmp_path / f'a/{name}.prototxt').layer}
        assert list(layers['pool5'].pooling_param.dilation) == [2]
        assert list(layers['fc6'].convolution_param.dilation) == [4]
        assert list(layers['upscore'].convolution_param.stride) == [8]
    result = fcn('generate', 'voc-fcn8s', '--out', tmp_path / 'b', '--output-stride', 8,
                 '--pooling', 'stride1')
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / 'b/deploy.prototxt').read_text().startswith('layer {')


def test_resnet34_aligned(tmp_path: Path, fcn) -> None:
    result = fcn('generate', 'voc-fcn8s-resnet34', '--aligned', '--out', tmp_path / 'a')
    assert result.exit_code == 0, result.stderr
    assert 'warning' in fcn('summary', 'voc-fcn8s-resnet34').stdout
    assert 'warning' not in fcn('summary', tmp_path / 'a').stdout


@pytest.mark.parametrize(('options', 'said'), [
    (['voc-fcn8s', '--output-stride', 8], 'take the pooling stride1'),
    (['voc-fcn32s', '--output-stride', 5], "layer 'relu7' lies on the image every 32 pixels"),
    (['camvid-segnet', '--output-stride', 8], "layer 'pool4' (Pooling): strides cannot"),
    (['voc-fcn32s', '--pooling', 'stride1'], '--pooling goes with --output-stride'),
    (['voc-fcn8s', '--aligned'], 'only that of FCN-ResNet34 is half a pixel off'),
    (['deeplab-largefov', '--aligned'], 'lies right already')])
def test_what_a_row_cannot_be_is_one_line(tmp_path: Path, fcn, options, said: str) -> None:
    result = fcn('generate', *options, '--out', tmp_path / 'a')
    assert result.exit_code in (1, 2) and result.stderr.count('\n') == 1
    assert said in result.stderr and not (tmp_path / 'a').exists()
