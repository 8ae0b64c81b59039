"""What commands ask for in the same way: wrong numbers and a prototxt's own width are exit 2."""

from pathlib import Path

import pytest

from netspec.families.fcn import fcn as make_net
from netspec.schema import print_net

NET = 'voc-fcn32s'
FITTING = {'infer': (NET, 'a.png', '--weights', 'w'), 'time': (NET,), 'generate': (NET,),
           'export': (NET, '--weights', 'w', '--out', 'o.onnx'), 'summary': (NET,),
           'draw': (NET, '--out', 'o.svg'), 'surgery': (NET, '--from', 'w', '--out', 'o'),
           'compare': (f'{NET}:w', 'b.onnx', '--images', 'a.png')}
WIDE = {'reproduce': (NET,), 'ablate': ('camvid', '--data', 'd', '--out', 'o'),
        'new': ('x', '--images', 'i', '--labels', 'l', '--class-names', 'c')}
GPU = {'infer': FITTING['infer'], 'time': FITTING['time'], 'train': ('--solver', 's'),
       'score': (NET, '--weights', 'w'), 'test': (NET, '--weights', 'w')}


def wrong(fcn, *args: object) -> str:
    """The one line of a usage error."""
    result = fcn(*args)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.strip().splitlines()
    return line


@pytest.mark.parametrize('command', [*FITTING, *WIDE])
@pytest.mark.parametrize('width', ['-1', '0', 'nan', 'inf', 'x'])
def test_width(command: str, width: str, fcn) -> None:
    args = (FITTING | WIDE)[command]
    assert "'--width'" in wrong(fcn, command, *args, '--width', width)


@pytest.mark.parametrize('command', FITTING)
@pytest.mark.parametrize('classes', ['0', '-2', '3,0', 'x'])
def test_classes(command: str, classes: str, fcn) -> None:
    assert "'--classes'" in wrong(fcn, command, *FITTING[command], '--classes', classes)


@pytest.mark.parametrize('command', GPU)
def test_gpu(command: str, fcn) -> None:
    assert "'--gpu'" in wrong(fcn, command, *GPU[command], '--gpu', '-1')


def test_val_share(fcn) -> None:
    assert "'--val-share'" in wrong(fcn, 'new', *WIDE['new'], '--val-share', 'nan')


@pytest.mark.parametrize('option', [('--width', '0.5'), ('--classes', '4'), ('--width', '1')])
def test_a_prototxt_has_its_own(option: tuple[str, str], scenes, tmp_path: Path, fcn) -> None:
    model = tmp_path / 'deploy.prototxt'
    model.write_text(print_net(make_net(NET, 'deploy', width=1 / 32)))
    weights, picture = ('--weights', tmp_path / 'w'), scenes.image('val_000000')
    for args in (('infer', model, picture, *weights),
                 ('export', model, *weights, '--out', tmp_path / 'o.onnx'),
                 ('surgery', model, '--from', 'w', '--out', tmp_path / 'o'),
                 ('compare', f'{model}:w', 'b.onnx', '--images', picture),
                 ('summary', model), ('time', model), ('draw', model, '--out', 'o.svg')):
        line = wrong(fcn, *args, *option)
        assert f'a prototxt has its own {option[0][2:]}' in line and str(model) in line
