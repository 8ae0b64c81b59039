"""--define: every command that takes a net or a solver in a file fills its placeholders."""

from pathlib import Path

import pytest

NET = '''name: "${NET_ID}"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, 8, 8] } } }
layer { name: "score_${EXP}" type: "Convolution" bottom: "data" top: "score"
        convolution_param { num_output: ${NUM_LABELS} kernel_size: 1
                            weight_filler { type: "gaussian" std: 0.1 } } }
'''
TRAINED = NET + '''
layer { name: "target" type: "DummyData" top: "target"
        dummy_data_param { shape { dim: [1, 4, 8, 8] } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "score" bottom: "target" top: "loss" }
'''
SOLVER = '''train_net: "${FOLDER}/train.prototxt" max_iter: ${STEPS}
    base_lr: 0.01 lr_policy: "fixed"
    snapshot_prefix: "${FOLDER}/snap" solver_mode: CPU'''
VALUES = ('--define', 'NET_ID=n', '--define', 'EXP=voc12', '--define', 'NUM_LABELS=4')


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / 'net.prototxt').write_text(NET)
    (tmp_path / 'train.prototxt').write_text(TRAINED)
    (tmp_path / 'solver.prototxt').write_text(SOLVER)
    return tmp_path


def test_a_solver_and_the_net_it_names(files: Path, fcn, refused) -> None:
    solver, more = files / 'solver.prototxt', ('--define', f'FOLDER={files}')
    result = fcn('train', '--solver', solver, *VALUES, *more, '--define', 'STEPS=1')
    assert result.exit_code == 0, result.output
    weights = files / 'snap_iter_1.caffemodel'
    assert weights.is_file()
    line = refused('train', '--solver', solver, *more)
    assert line.startswith(f'fcn: {solver}:1:') and '--define STEPS=VALUE' in line
    line = refused('train', '--solver', solver, *more, '--define', 'STEPS=1')
    assert f'{files}/train.prototxt:1:8: not filled: ${{NET_ID}} (line 1)' in line


@pytest.mark.parametrize('words', [
    ('summary', '{net}'), ('draw', '{net}', '--out', '{folder}/n.svg', '--no-graphviz'),
    ('time', '{net}', '--iterations', 1),
    ('export', '{net}', '--random-weights', '--out', '{folder}/n.onnx'),
    ('caffe', 'time', '-model', '{net}', '-iterations', 1)], ids=lambda words: words[0])
def test_nets(words: tuple, files: Path, fcn) -> None:
    words = [str(word).format(net=files / 'net.prototxt', folder=files) for word in words]
    result = fcn(*words, *VALUES)
    assert result.exit_code == 0, result.output
    result = fcn(*words)
    assert result.exit_code == 1
    *log, line = result.stderr.strip().splitlines()
    assert 'not filled: ${NET_ID} (line 1), ${EXP} (line 3)' in line
    assert not log or words[0] == 'caffe'


def test_every_command_that_takes_such_a_file_has_the_option(fcn) -> None:
    for name in ('caffe', 'compare', 'draw', 'export', 'infer', 'score', 'summary', 'surgery',
                 'test', 'time', 'train'):
        assert '--define NAME=VALUE' in fcn(name, '--help').stdout, name
