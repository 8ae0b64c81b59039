"""fcn new: from two folders to a net that trains on them."""

import json
import shlex
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from PIL import Image

import surgery
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
    if '--width' not in args:
        args = (*args, '--width', '0.03')
    if '--trunk' not in args:
        args = (*args, '--trunk', 'vgg16')
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


def test_a_net_of_full_width(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('port.reproduce.pace.seconds_a_step', lambda solver: 25.0)
    output = run('--label-suffix', '_mask', '--width', '1')
    assert 'max_iter 2,000: each training image about 400 times; 25 s each here, about 13 h ' in \
        output and '--trunk squeezenet' in output
    lines = output[output.index('Next:'):].splitlines()[1:]
    assert [line.split()[:2] for line in lines] == [
        ['curl', '-fLO'], ['fcn', 'weights'], ['fcn', 'surgery'], ['fcn', 'train'],
        ['fcn', 'score'], ['fcn', 'infer']]
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
    run('--label-suffix', '_mask')
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
    run('--label-suffix', '_mask')
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
    assert '--width' not in run('--label-suffix', '_mask')
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
    run('--label-suffix', '_mask')
    Net('my-cars/deploy.prototxt').save('w.caffemodel')
    result = CliRunner().invoke(main, ['export', 'my-cars', '--weights', 'w.caffemodel',
                                       '--out', 'o.onnx'])
    assert result.exit_code == 0, result.output
    props = {p.key: p.value for p in onnx.load('o.onnx').metadata_props}
    assert json.loads(props['class_names']) == {'score': ['road', 'car', 'sky']}
    result = CliRunner().invoke(main, ['summary', 'my-cars', '--size', '64x64'])
    assert result.exit_code == 0 and 'conv1_1' in result.output
    result = CliRunner().invoke(main, ['bound', 'my-cars', '--data', '.'])
    assert result.exit_code == 2 and 'my-cars says itself where its images' in result.output


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


def fcn(*args: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, [*args])
    assert result.exit_code == code, result.output
    return result.output


def test_other_commands_take_the_folder_and_show_nothing_published(folders: Path) -> None:
    run('--label-suffix', '_mask')
    assert 'my-cars: complete' in fcn('data', 'check', 'my-cars')
    assert 'published' not in fcn('data', 'check', 'my-cars', '--split', 'val')
    assert 'my-cars:val' in fcn('data', 'compare', 'my-cars:train', 'my-cars:val')
    assert 'published' not in fcn('bound', 'my-cars')
    assert 'photos/  the images' in fcn('data', 'layout', 'my-cars')
    told = fcn('reproduce', 'my-cars', '--block', '2', '--blocks', '1')
    assert 'my-cars on val (1 images' in told and 'published' not in told
    assert json.loads((folders / 'runs/my-cars/report.json').read_text())['caveats'] == []
    assert 'mean IU' in fcn('score', 'runs/my-cars')
    Image.new('L', (9, 9)).save('masks/3_mask.png')
    assert 'masks/3_mask.png is 9x9' in fcn('data', 'check', 'my-cars', code=1)


@pytest.mark.slow
def test_the_findings_are_tried_on_own_data(folders: Path) -> None:
    run('--label-suffix', '_mask')
    told = fcn('ablate', 'my-cars', '--block', '20', '--blocks', '1', '--width', '0.03')
    assert '| my-cars-fcn16s |' in told and 'published' not in told
    assert 'mean IU' in fcn('score', 'runs/ablate-my-cars/strides/my-cars-fcn16s')


def test_a_table_of_colours_is_the_palette_and_reads_the_labels(folders: Path) -> None:
    colours = np.array([(128, 64, 128), (64, 0, 128), (70, 130, 180)], np.uint8)
    for path in (folders / 'masks').iterdir():
        with Image.open(path) as image:
            pixels = colours[np.asarray(image)]
        Image.fromarray(pixels).save(path)
    assert 'has colours' in run('--label-suffix', '_mask', code=1)
    (folders / 'names.txt').write_text('name,r,g,b\nroad,128,64,128\ncar,64,0,128\n'
                                       'sky,70,130,180\n')
    assert 'index labels into my-cars/labels' in run('--label-suffix', '_mask')
    assert 'my-cars: complete' in fcn('data', 'check', 'my-cars')
    Net('my-cars/deploy.prototxt').save('w.caffemodel')
    fcn('infer', 'my-cars', 'photos/0.jpg', '--weights', 'w.caffemodel', '--out', 'l')
    with Image.open('l/0.png') as label:
        assert label.getpalette()[:9] == colours.reshape(-1).tolist()


def test_the_classes_are_weighed(folders: Path) -> None:
    output = run('--label-suffix', '_mask', '--balance')
    loss = read_net(folders / 'my-cars/train.prototxt').layer[-1].loss_param
    assert loss.weight_by_label_freqs and len(loss.class_weighting) == 3
    assert f'weighs {loss.class_weighting[1]:g}' in output


def test_files_without_a_partner_are_left_out_where_asked(folders: Path) -> None:
    (folders / 'masks/3_mask.png').unlink()
    Image.new('L', (40, 32)).save(folders / 'masks/x_mask.png')
    output = run('--label-suffix', '_mask', code=1)
    assert 'photos/3.jpg: no label' in output and '--skip-unpaired leaves such files out' in output
    output = run('--label-suffix', '_mask', '--skip-unpaired')
    assert 'left out 2 files without a partner, listed in my-cars/unpaired.txt' in output
    listed = (folders / 'my-cars/unpaired.txt').read_text().splitlines()
    assert 'photos/3.jpg' in listed[0] and 'masks/x_mask.png' in listed[1]


@pytest.mark.parametrize(('args', 'words'), [
    (['--image-suffix', '_left'], '--image-suffix _left: no name in photos ends so'),
    (['--label-suffix', '_L'], '--label-suffix _L: no name in masks ends so'),
    (['--label-suffix', '_mask', '--val-folder', 'ulm'], '--val-folder ulm: no pair lies in that'),
    (['--label-suffix', '_mask', '--val-folder', 'a', '--val-share', '0.5'],
     'give --val-share or --val-folder, not both'),
    (['--label-suffix', '_mask', '--class-names', 'masks'], '--class-names')])
def test_wrong_options_are_one_line(folders: Path, args: list[str], words: str) -> None:
    result = CliRunner().invoke(main, ['new', 'my-cars', '--images', 'photos', '--labels', 'masks',
                                       '--class-names', 'names.txt', *args])
    assert result.exit_code in (1, 2) and len(result.output.splitlines()) == 1
    assert words in result.output and not (folders / 'my-cars').exists()


@pytest.mark.parametrize(('table', 'words'), [
    ('0 0 0 road\n9 9 9 5 car\n', 'no colour has the index 1, but there is one of 5'),
    ('name,r,g,b\nroad,0,0,0\ncar,1,2\n', "names.txt:3: expected lines 'R G B name'"),
    ('road,0,0,300\n', 'names.txt:1: colours and indices are 0..255')])
def test_a_wrong_table_of_colours_is_one_line(folders: Path, table: str, words: str) -> None:
    (folders / 'names.txt').write_text(table)
    output = run('--label-suffix', '_mask', code=1)
    assert words in output and len(output.splitlines()) == 1


def test_the_closing_lines_do_the_rest(folders: Path) -> None:
    output = run('--label-suffix', '_mask')
    lines = output[output.index('Next:'):].splitlines()[1:]
    assert len(lines) == 3
    text = (folders / 'my-cars/solver.prototxt').read_text()
    (folders / 'my-cars/solver.prototxt').write_text(text.replace('max_iter: 2000', 'max_iter: 6'))
    told = [fcn(*shlex.split(line)[1:]) for line in lines]
    assert 'best on val: mean IU' in told[0] and 'mean IU' in told[1] and (
        folders / 'labels').is_dir()
    assert {path.name for path in (folders / 'my-cars/snapshot').iterdir()} == {
        'train.log', 'train_best.caffemodel', 'train_iter_6.caffemodel', 'train_iter_6.solverstate'}
    assert {'log.csv', 'curve.png'} <= {path.name for path in (folders / 'my-cars').iterdir()}


def test_train_says_what_is_wrong_with_the_options(folders: Path) -> None:
    run('--label-suffix', '_mask')
    (folders / 'own.prototxt').write_text(
        'train_net: "my-cars/train.prototxt" base_lr: 1 lr_policy: "fixed" max_iter: 1')
    assert 'names no test_net to score' in fcn('train', '--solver', 'own.prototxt',
                                               '--score-every', '5', code=2)
    assert '--score-every' in fcn('train', '--solver', 'my-cars', '--score-every', '-1', code=2)


def test_a_squeezenet_starts_from_what_comes_along(folders: Path) -> None:
    output = run('--label-suffix', '_mask', '--trunk', 'squeezenet', '--width', '1')
    assert 'max_iter 500: ' in output and 'curl' not in output and 'surgery' not in output
    begun = surgery.read_weights(folders / 'my-cars/init.caffemodel')
    assert 'conv1' in begun and not any('score' in name for name in begun)
    told = fcn('train', '--solver', 'my-cars', '--iterations', '2')
    assert 'best on val: mean IU' in told and 'NO WEIGHTS' not in told
    assert '--stride 32: a squeezenet has 16, 8, 4' in run(
        '--label-suffix', '_mask', '--trunk', 'squeezenet', '--stride', '32', code=2)


@pytest.mark.slow
def test_a_squeezenet_of_own_data_is_reproduced_from_what_lies_in_its_folder(folders: Path) -> None:
    run('--label-suffix', '_mask', '--trunk', 'squeezenet', '--width', '1')
    told = fcn('reproduce', 'my-cars', '--block', '2', '--blocks', '1')
    assert 'my-cars on val (1 images' in told
    assert (folders / 'runs/my-cars/my-cars/surgery.txt').is_file()
