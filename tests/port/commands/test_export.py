"""fcn export: exit status, table, and one line for each mistake."""

import resource
from pathlib import Path

import pytest
from click.testing import CliRunner

from port.cli import main
from port.export import onnx_file as export_onnx
from port.export.agreement import Agreement

DRAWN = ['--width', '0.0625', '--random-weights', '--seed', '5']


def invoke(*args: str):
    return CliRunner().invoke(main, ['export', *args])


def test_export_and_compare(tmp_path: Path) -> None:
    out = tmp_path / 'm.onnx'
    done = invoke('camvid-fcn16s', *DRAWN, '--out', str(out), '--compare', '--size', '33x50,20x31')
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert f'wrote {out}: ONNX opset 17' in lines[0]
    assert [line.split()[0] for line in lines[2:]] == ['33x50', '20x31']
    assert out.exists()


def test_labels_have_no_differences(tmp_path: Path) -> None:
    done = invoke('camvid-fcn32s', *DRAWN, '--out', str(tmp_path / 'm.onnx'), '--compare',
                  '--size', '20x31', '--argmax', '--with-preprocess')
    assert done.exit_code == 0 and ' - ' in done.output


@pytest.mark.parametrize('row', [Agreement((9, 9), 1., 2e-4, 1., 81, 0),
                                 Agreement((9, 9), 0., 0., 1., 81, 0, 0, 1),
                                 Agreement((9, 9), 0., 0., .99, 81, 0)])
def test_disagreement_fails(row: Agreement, tmp_path: Path,
                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_onnx, 'compare', lambda *args: [row])
    done = invoke('camvid-fcn32s', *DRAWN, '--out', str(tmp_path / 'm.onnx'), '--compare')
    assert done.exit_code == 1 and 'm.onnx is written, but does not agree' in done.output


def test_one_of_two_sources_of_weights(tmp_path: Path) -> None:
    for options in ([], ['--weights', 'x.caffemodel', '--random-weights']):
        done = invoke('voc-fcn8s', '--out', str(tmp_path / 'm.onnx'), *options)
        assert done.exit_code == 2 and 'give --weights' in done.output
        assert 'or --random-weights' in done.output


@pytest.mark.parametrize(('args', 'text'), [
    (['voc-fcn8'], "did you mean 'voc-fcn8s'"),
    (['voc-fcn8s', '--size', '12'], "'12' is not a size"),
    (['voc-fcn8s', '--seed', '-1'], "'--seed'")])
def test_usage(args: list[str], text: str, tmp_path: Path) -> None:
    done = invoke(*args, '--random-weights', '--out', str(tmp_path / 'm.onnx'))
    assert done.exit_code == 2 and text in done.output


def test_missing_weights_are_one_line(tmp_path: Path) -> None:
    done = invoke('voc-fcn8s', '--width', '0.0625', '--weights', str(tmp_path / 'none.caffemodel'),
                  '--out', str(tmp_path / 'm.onnx'))
    assert done.exit_code == 1 and len(done.output.strip().splitlines()) == 1
    assert 'none.caffemodel' in done.output and not list(tmp_path.iterdir())


def test_help_ends_with_an_example() -> None:
    assert 'Example:  fcn export' in invoke('--help').output.splitlines()[-2] + invoke(
        '--help').output.splitlines()[-1]


SEGNET = ['camvid-segnet-basic', '--width', '0.0625', '--random-weights']


def test_a_net_of_one_size_is_compared_at_it(tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_onnx, 'compare', lambda net, out, sizes, seed: [
        Agreement(size, 0., 0., 1., 81, 0, 3) for size in sizes])
    done = invoke(*SEGNET, '--out', str(tmp_path / 'm.onnx'), '--compare')
    assert done.exit_code == 0, done.output
    (line,) = done.output.splitlines()[2:]
    assert line.split()[0] == '360x480' and line.endswith('  (3 pooling maxima tied)')


@pytest.mark.parametrize('size', ['45x61', '36x50'])
def test_another_size_than_the_nets(size: str, tmp_path: Path) -> None:
    out = tmp_path / 'm.onnx'
    done = invoke(*SEGNET, '--out', str(out), '--compare', '--size', size)
    assert done.exit_code == 1 and out.exists()
    assert done.stderr == (f'fcn: --size {size}: camvid-segnet-basic is made for images of '
                           '360x480 (height x width); leave --size out '
                           f'({out} is written, but not compared)\n')


def test_weights_are_not_written_over(tmp_path: Path) -> None:
    (tmp_path / 'w.caffemodel').write_bytes(b'weights')
    (tmp_path / 'link').symlink_to('w.caffemodel')
    for out in ('w.caffemodel', 'link'):
        done = invoke('voc-fcn32s', '--weights', str(tmp_path / 'w.caffemodel'), '--out',
                      str(tmp_path / out))
        assert done.exit_code == 1 and f'{out}: is read here' in done.stderr
    assert (tmp_path / 'w.caffemodel').read_bytes() == b'weights'


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    out = tmp_path / 'm.onnx'
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        done = invoke('camvid-fcn32s', *DRAWN, '--out', str(out))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert done.exit_code == 1 and list(tmp_path.iterdir()) == []
    assert done.output == (f'fcn: {out}: not written, and nothing was left behind: '
                           'File too large\n')


def test_every_net_is_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    from port.export import every_net
    asked = {}

    def all_of(sizes, width, opset, folder, compared, seed):
        asked.update(sizes=sizes('camvid-segnet'), width=width, opset=opset, compared=compared)
        yield every_net.ExportedNet('a', 10, 1.0, False, [Agreement((9, 9), 0., 0., 1., 81, 0)])
        yield every_net.ExportedNet('b', failure='no form')
    monkeypatch.setattr(every_net, 'export_all', all_of)
    done = invoke('--all', '--compare', '--opset', '18')
    lines = done.output.splitlines()
    assert done.exit_code == 1 and lines[0].split()[0] == 'net' and lines[1].startswith('a  ')
    assert 'nets are not exported, or do not agree with our own engine: b' in lines[-1]
    assert asked == {'sizes': [(360, 480)], 'width': None, 'opset': 18, 'compared': True}


@pytest.mark.parametrize(('args', 'text'), [
    (['voc-fcn8s', '--all'], '--all takes no NET'), (['--all', '--weights', 'w'], 'no --weights'),
    ([], 'give NET, or --all'), (['voc-fcn8s', '--random-weights'], 'give --out, the .onnx file')])
def test_all_or_one(args: list[str], text: str) -> None:
    done = invoke(*args)
    assert done.exit_code == 2 and text in done.output


def test_an_opset_that_is_none(tmp_path: Path) -> None:
    done = invoke('voc-fcn8s', *DRAWN, '--out', str(tmp_path / 'm.onnx'), '--opset', '14')
    assert done.exit_code == 1 and 'opset 14: expected 15 to ' in done.output
    assert not list(tmp_path.iterdir())
