"""fcn score, infer and reproduce on several ranks: the same figures and files as one process."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from port.cli import main


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def test_score_gives_the_same_figures_and_files(trained, fcn, torchrun, tmp_path: Path) -> None:
    """Three images on two ranks: one has two, the other one."""
    common = 'score', trained / 'val.prototxt', '--weights', trained / 'trained.caffemodel'
    assert fcn(*common, '--json', tmp_path / '1.json', '--save', tmp_path / '1').exit_code == 0
    ended = torchrun.fcn(2, *common, '--json', tmp_path / '2.json', '--save', tmp_path / '2')
    assert [one.status for one in ended] == [0, 0], [one.err for one in ended]
    assert (tmp_path / '1.json').read_bytes() == (tmp_path / '2.json').read_bytes()
    files = bytes_below(tmp_path / '1')
    assert files == bytes_below(tmp_path / '2') and len(files) == 3
    assert ended[0].out == fcn(*common).stdout and ended[1].out == ''


def test_score_refuses_more_ranks_than_images(trained, torchrun) -> None:
    ended = torchrun.fcn(4, 'score', trained / 'val.prototxt', '--weights',
                         trained / 'trained.caffemodel')
    assert [one.status for one in ended] == [1] * 4
    said = [line for one in ended for line in one.err.splitlines()]
    assert said == ['fcn: the images to score: 3 image(s) for 4 ranks; start at most 3 processes']


def test_the_evaluation_is_the_same_to_the_bit(trained, torchrun, tmp_path: Path) -> None:
    """Losses and the mean IU of each image too, in the order of the list."""
    def work() -> None:
        from port.distributed.alone import ALONE, launched
        from port.distributed.ranks import joined
        from port.engine.net import Net
        from port.engine.starting_weights import load
        from port.scoring.evaluate import evaluate
        net = Net(trained / 'val.prototxt', 1)
        load(net, trained / 'lively.caffemodel')
        if not launched():
            found = evaluate(net, ranks=ALONE)
        else:
            with joined() as ranks:
                found = evaluate(net, ranks=ranks)
        found.seconds = 0
        found.write(tmp_path / f'{os.environ.get("RANK", "alone")}.json')
    work()
    ended = torchrun.run(work, work, work)
    assert [one.status for one in ended] == [0] * 3, [one.err for one in ended]
    alone = json.loads((tmp_path / 'alone.json').read_text())
    assert len(alone['images']) == 3 and list(alone['images']) == sorted(alone['images'])
    for rank in range(3):
        assert json.loads((tmp_path / f'{rank}.json').read_text()) == alone


@pytest.fixture
def pictures(scenes, tmp_path: Path) -> Path:
    """Five pictures of three sizes, and one that is none."""
    folder = tmp_path / 'in'
    folder.mkdir()
    for i in range(5):
        with Image.open(scenes.image(f'val_00000{i % 3}')) as image:
            image.resize((40 + 4 * (i % 3), 30)).save(folder / f'{i}.png')
    (folder / '7.png').write_bytes(b'no picture')
    return folder


def test_infer_labels_each_picture_once_and_goes_on(
        trained, lively, pictures: Path, fcn, torchrun, tmp_path: Path) -> None:
    def run(out: str, *more: object) -> tuple:
        return ('infer', trained / 'deploy.prototxt', pictures, '--weights', lively, '--mean',
                '1,2,3', '--out', tmp_path / out, *more)
    alone = fcn(*run('1'))
    ended = torchrun.fcn(2, *run('2'))
    assert alone.exit_code == 1 and [one.status for one in ended] == [1, 0]
    files = bytes_below(tmp_path / '1')
    assert bytes_below(tmp_path / '2') == files and len(files) == 10
    assert ended[0].err.replace('/2', '/1') == alone.stderr and ended[1].err == ''
    (tmp_path / '2' / '3_overlay.png').unlink()
    (tmp_path / '2' / '1.png').unlink()
    made = tmp_path / '2'
    kept = {name: (made / name).stat().st_mtime_ns for name in ('0.png', '2.png', '4.png')}
    ended = torchrun.fcn(2, *run('2', '--resume'))
    assert 'labelled 2 picture(s)' in ended[0].err and '3 were there' in ended[0].err
    assert bytes_below(tmp_path / '2') == files
    assert all((made / name).stat().st_mtime_ns == at for name, at in kept.items())


@pytest.mark.slow
def test_reproduce_and_ablate_end_with_the_figures_of_one_process(
        scenes, fcn, torchrun, tmp_path: Path) -> None:
    """accum, which steps once in 20 images, on one rank, and on two with half the iter_size."""
    common = ('--data', scenes.root, '--width', 0.03125, '--blocks', 2, '--limit', 3)
    ended = torchrun.run(*[lambda: main([str(a) for a in (
        'reproduce', 'voc-fcn32s', *common, '--block', 2, '--out', tmp_path / 'two')])] * 2,
        timeout=200)
    assert [one.status for one in ended] == [0, 0], [one.err for one in ended]
    assert ended[1].out == '' and 'report:' in ended[0].out
    report = json.loads((tmp_path / 'two' / 'report.json').read_text())
    assert report['stages'][0]['iterations'] == 4
    state = tmp_path / 'two'
    again = tmp_path / 'again'
    shutil.copytree(state, again)
    for path in again.rglob('*'):
        if '_iter_4' in path.name or path.name == '4.json':
            path.unlink()
    assert np.isfinite(report['stages'][0]['measured']['mean IU'])
