"""fcn time: every layer has its line; the times add up to what the clock says."""

import time

import pytest
from click.testing import CliRunner

from netspec.schema.messages import TRAIN
from netspec.variants import VARIANTS
from port.cli import main
from port.describe.timing import LayerTime, table, time_layers, timed_net
from port.engine.net import Net


@pytest.fixture(scope='module')
def net() -> Net:
    return Net(timed_net(VARIANTS['nyud-fcn32s-color-d'], (20, 30), 0.02), TRAIN)


def test_times_every_layer(net: Net) -> None:
    begin = time.perf_counter()
    times = time_layers(net, 2)
    elapsed = 1000 * (time.perf_counter() - begin)
    assert [row.name for row in times] == net.layer_names
    assert all(len(row.forwards) == len(row.backwards) == 2 for row in times)
    assert all(row.forward > 0 for row in times)
    assert {row.name for row in times if row.backward == 0} == {
        node.name for node in net.nodes if not node.need_backward}
    assert sum(sum(row.forwards) for row in times) < elapsed


def test_leaves_no_gradients(net: Net) -> None:
    time_layers(net, 1)
    assert all(not row.blob.diff.any() for row in net.learnable)


def test_table() -> None:
    lines = table([LayerTime('conv', 'Convolution', [1., 3., 2.], [6., 4., 5.]),
                   LayerTime('relu', 'ReLU', [1.], [0.])])
    assert [line.split() for line in lines[1:]] == [
        ['conv', 'Convolution', '2.000', '5.000', '87.5%'],
        ['relu', 'ReLU', '1.000', '0.000', '12.5%'], ['all', '3.000', '5.000']]


@pytest.mark.parametrize('phase', ['train', 'test'])
def test_command(phase: str) -> None:
    result = CliRunner().invoke(main, [
        'time', 'voc-fcn32s', '--width', '0.02', '--size', '20x30', '--iterations', '1',
        '--phase', phase])
    assert result.exit_code == 0, result.output
    rows = result.output.splitlines()
    assert rows[0].split()[:2] == ['layer', 'type'] and rows[-4].startswith('all')
    assert any(row.startswith('conv5_3 ') for row in rows)
    forward, backward, both = (float(row.split()[-2]) for row in rows[-3:])
    assert rows[-1].startswith('Average Forward-Backward: ') and rows[-1].endswith(' ms.')
    assert forward > 0 and (backward > 0) == (phase == 'train')
    assert both == pytest.approx(forward + backward, rel=1e-4)


@pytest.mark.parametrize('option', [('--size', '9x9'), ('--width', '1'), ('--classes', '3')])
def test_a_prototxt_has_its_own_sizes(tmp_path, option) -> None:
    path = tmp_path / 'net.prototxt'
    path.write_text('layer { name: "x" type: "DummyData" top: "x" dummy_data_param { shape { '
                    'dim: 1 } } }')
    result = CliRunner().invoke(main, ['time', str(path), '--phase', 'test', *option])
    assert result.exit_code == 2 and f'{option[0]} is for a net by name' in result.output
    result = CliRunner().invoke(main, ['time', str(path), '--phase', 'test', '--iterations', '1'])
    assert result.exit_code == 0, result.output


def test_command_names_the_closest_net() -> None:
    result = CliRunner().invoke(main, ['time', 'voc-fcn8'])
    assert result.exit_code == 2 and 'voc-fcn8s' in result.output


def test_a_net_of_one_size_is_timed_at_it() -> None:
    net = ['time', 'camvid-segnet-basic', '--width', '0.02', '--iterations', '1', '--phase', 'test']
    done = CliRunner().invoke(main, net)
    assert done.exit_code == 0 and 'upsample1' in done.output
    done = CliRunner().invoke(main, [*net, '--size', '375x500'])
    assert done.exit_code == 1
    assert done.stderr == ('fcn: --size 375x500: camvid-segnet-basic is made for images of 360x480 '
                           '(height x width); leave --size out\n')
