"""fcn new: from two folders to a net that trains on them."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from PIL import Image

from netspec.schema import read_net, read_solver
from port.cli import main
from port.engine.net import Net
from port.training.solver import Solver


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six small pairs and a class list, the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'photos').mkdir()
    (tmp_path / 'masks').mkdir()
    random = np.random.RandomState(0)
    for i in range(6):
        label = np.repeat(random.randint(0, 3, (4, 5)), 8, 0).repeat(8, 1).astype(np.uint8)
        Image.fromarray(np.stack([label * 60] * 3, -1)).save(tmp_path / f'photos/{i}.jpg')
        Image.fromarray(label).save(tmp_path / f'masks/{i}_mask.png')
    (tmp_path / 'names.txt').write_text('road\ncar\nsky\n')
    return tmp_path


def run(*args: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, ['new', 'my-cars', '--images', 'photos', '--labels', 'masks',
                                       '--class-names', 'names.txt', *args])
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize('stride', ['32', '16', '8'])
def test_writes_what_trains(folders: Path, stride: str) -> None:
    output = run('--label-suffix', '_mask', '--stride', stride, '--width', '0.03')
    out = folders / 'my-cars'
    assert {p.name for p in out.iterdir()} == {
        'train.txt', 'val.txt', 'classes.txt', 'mean.txt', 'dataset.json', 'train.prototxt',
        'val.prototxt', 'deploy.prototxt', 'solver.prototxt'}
    assert 'train: 5 images, val: 1' in output and 'fcn train --solver' in output
    solver = Solver(out / 'solver.prototxt')
    solver.step(2)
    assert np.isfinite(solver.smoothed_loss) and solver.net.blobs['score'].shape == (1, 3, 32, 40)
    up = next(x for x in read_net(out / 'deploy.prototxt').layer if x.name.startswith('upscore')
              and x.top[0] in ('upscore', 'upscore16', 'upscore8'))
    assert list(up.convolution_param.stride) == [int(stride)]


def test_the_rate_goes_with_the_size_of_the_images(folders: Path) -> None:
    run('--label-suffix', '_mask')
    assert read_solver(folders / 'my-cars/solver.prototxt').base_lr == pytest.approx(
        1e-10 * 500 * 375 / (32 * 40), rel=0.05)


def test_nothing_is_written_while_a_label_is_wrong(folders: Path) -> None:
    Image.new('L', (40, 32), 9).save(folders / 'masks/3_mask.png')
    output = run('--label-suffix', '_mask', code=1)
    assert 'masks/3_mask.png: label 9' in output and '; nothing was written' in output
    assert not (folders / 'my-cars').exists()


def test_an_extension_of_mixed_letters_trains(folders: Path) -> None:
    for path in (folders / 'photos').iterdir():
        path.rename(path.with_suffix('.Jpg'))
    run('--label-suffix', '_mask', '--width', '0.03')
    Solver(folders / 'my-cars/solver.prototxt').step(1)


def test_a_name_of_two_images_is_refused(folders: Path) -> None:
    Image.new('RGB', (40, 32)).save(folders / 'photos/3.png')
    output = run('--label-suffix', '_mask', code=1)
    assert 'photos/3.jpg and photos/3.png: images of one name; keep one' in output
    assert not (folders / 'my-cars').exists()


def test_images_and_labels_may_share_a_folder(folders: Path) -> None:
    for path in (folders / 'masks').iterdir():
        path.rename(folders / 'photos' / path.name)
    output = run('--labels', 'photos', '--label-suffix', '_mask')
    assert 'train: 5 images, val: 1' in output


def test_names_that_do_not_match_are_explained(folders: Path) -> None:
    assert '--label-suffix' in run(code=1)


def test_the_folder_stands_for_its_net(folders: Path) -> None:
    run('--label-suffix', '_mask', '--width', '0.03')
    net = Net('my-cars/deploy.prototxt')
    for node in net.nodes:
        for blob in node.layer.blobs:
            blob.data.normal_(0, 0.01)
    net.save('my-cars/w.caffemodel')
    result = CliRunner().invoke(main, ['infer', 'my-cars', 'photos', '--weights',
                                       'my-cars/w.caffemodel', '--out', 'l'])
    assert result.exit_code == 0, result.output
    with Image.open('l/0.png') as label:
        assert label.size == (40, 32)
    result = CliRunner().invoke(main, ['score', 'my-cars', '--weights',
                                       'my-cars/w.caffemodel'])
    assert result.exit_code == 0 and 'road' in result.output and 'mean IU' in result.output


def test_the_folder_knows_its_width(folders: Path) -> None:
    assert '--width' not in run('--label-suffix', '_mask', '--width', '0.03')
    Net('my-cars/deploy.prototxt').save('w.caffemodel')

    def told(*args: str) -> str:
        result = CliRunner().invoke(main, [*args])
        assert result.exit_code == 0, result.output
        return result.output
    assert told('export', 'my-cars', '--weights', 'w.caffemodel', '--out', 'o.onnx')
    assert 'all 6' in told('compare', 'my-cars:w.caffemodel', 'o.onnx', '--images', 'photos',
                           '--check')
    narrow = json.loads(told('summary', 'my-cars', '--json'))['layers']
    wide = json.loads(told('summary', 'my-cars', '--json', '--width', '1'))['layers']
    assert [next(row['shape'][1] for row in rows if row['layer'] == 'conv1_1')
            for rows in (narrow, wide)] == [2, 64]
    assert 'conv1_1' in told('time', 'my-cars', '--size', '32x32', '--iterations', '1', '--weights',
                             'w.caffemodel')


def test_the_names_go_with_the_net(folders: Path) -> None:
    run('--label-suffix', '_mask', '--width', '0.03')
    Net('my-cars/deploy.prototxt').save('w.caffemodel')
    result = CliRunner().invoke(main, ['export', 'my-cars', '--weights', 'w.caffemodel',
                                       '--out', 'o.onnx'])
    assert result.exit_code == 0, result.output
    props = {p.key: p.value for p in onnx.load('o.onnx').metadata_props}
    assert json.loads(props['class_names']) == {'score': ['road', 'car', 'sky']}
    result = CliRunner().invoke(main, ['summary', 'my-cars', '--size', '64x64'])
    assert result.exit_code == 0 and 'conv1_1' in result.output
    result = CliRunner().invoke(main, ['bound', 'my-cars', '--data', '.'])
    assert result.exit_code == 1 and 'no published figures' in result.output


def test_a_trained_folder_is_not_written_over(folders: Path) -> None:
    run('--label-suffix', '_mask')
    (folders / 'my-cars/snapshot').mkdir()
    run('--label-suffix', '_mask', '--stride', '8')
    (folders / 'my-cars/snapshot/train_iter_1.caffemodel').write_bytes(b'')
    before = (folders / 'my-cars/train.prototxt').read_bytes()
    run('--label-suffix', '_mask', '--stride', '8')
    assert 'another --out' in run('--label-suffix', '_mask', '--stride', '16', code=1)
    assert (folders / 'my-cars/train.prototxt').read_bytes() == before


@pytest.mark.parametrize('share', ['0', '1', '20', 'half'])
def test_a_share_is_between_0_and_1(folders: Path, share: str) -> None:
    assert '--val-share' in run('--val-share', share, code=2)


def test_a_class_list_that_is_no_text(folders: Path) -> None:
    (folders / 'names.txt').write_bytes(b'\x8b\xff')
    assert 'names.txt: not a text file' in run('--label-suffix', '_mask', code=1)


def test_a_byte_order_mark_is_no_part_of_the_first_name(folders: Path) -> None:
    (folders / 'names.txt').write_text('road\ncar\nsky\n', encoding='utf-8-sig')
    run('--label-suffix', '_mask')
    assert (folders / 'my-cars/classes.txt').read_text() == 'road\ncar\nsky\n'


def test_a_class_list_with_a_name_twice(folders: Path) -> None:
    (folders / 'names.txt').write_text('car\ncar\n')
    assert "'car' stands twice" in run('--label-suffix', '_mask', code=1)


@pytest.mark.parametrize(('label', 'name'), [('1', 'car'), ('0', 'road')])
def test_a_class_is_not_ignored(folders: Path, label: str, name: str) -> None:
    output = run('--label-suffix', '_mask', '--ignore-label', label, code=1)
    assert len(output.splitlines()) == 1 and not (folders / 'my-cars').exists()
    assert f"--ignore-label {label} would drop the class '{name}'" in output
    assert 'name a value of no class, 3 to 255' in output
    run('--label-suffix', '_mask', '--ignore-label', '3')


@pytest.mark.parametrize('net', ['voc-fcn8s', 'camvid-segnet-basic'])
def test_a_published_name_is_refused(folders: Path, net: str) -> None:
    options = ['--images', 'photos', '--labels', 'masks', '--class-names', 'names.txt',
               '--label-suffix', '_mask']
    for args in ([net], ['my-cars', '--out', net]):
        result = CliRunner().invoke(main, ['new', *args, *options])
        assert result.exit_code == 1 and len(result.output.splitlines()) == 1
        assert f"'{net}' is a published net" in result.output and 'choose another' in result.output
        assert not (folders / net).exists()
