"""fcn score, infer and reproduce on several ranks: the same figures and files as one process."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec.schema.messages import TEST
from port.cli import main

pytestmark = pytest.mark.usefixtures('one_thread')


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def test_score_gives_the_same_figures_and_files(trained, fcn, torchrun, tmp_path: Path) -> None:
    """Three images on two ranks: one has two, the other one."""
    common = 'score', trained / 'val.prototxt', '--weights', trained / 'trained.caffemodel'
    assert fcn(*common, f'--json={tmp_path / "1.json"}', '--save', tmp_path / '1').exit_code == 0
    ended = torchrun.fcn(2, *common, f'--json={tmp_path / "2.json"}', '--save', tmp_path / '2')
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


def test_the_evaluation_is_the_same_to_the_bit(
        trained, lively, torchrun, tmp_path: Path) -> None:
    """Losses and the mean IU of each image too, in the order of the list."""
    def work() -> None:
        from port.distributed.alone import ALONE, launched
        from port.distributed.ranks import joined
        from port.engine.net import Net
        from port.engine.starting_weights import load
        from port.scoring.evaluate import evaluate
        net = Net(trained / 'val.prototxt', TEST)
        load(net, lively)
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
    assert alone.exit_code == 1 and [one.status for one in ended] == [1, 1]
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
def test_reproduce_goes_on_with_the_figures_of_a_run_without_a_stop(
        scenes, torchrun, tmp_path: Path) -> None:
    """Two blocks on two ranks: whole, and from what a stop after the first block left."""
    def run(out: Path) -> dict:
        ended = torchrun.run(*[lambda: main([str(a) for a in (
            'reproduce', 'voc-fcn32s', '--data', scenes.root,
            '--width', 0.03125, '--blocks', 2, '--limit', 3, '--block', 2, '--out', out,
            '--keep-all')])] * 2, timeout=200)
        assert [one.status for one in ended] == [0, 0], [one.err for one in ended]
        assert ended[1].out == '' and 'report:' in ended[0].out
        return json.loads((out / 'report.json').read_text())
    whole, folder = run(tmp_path / 'a'), tmp_path / 'b'
    shutil.copytree(tmp_path / 'a', folder)
    for path in folder.rglob('*'):
        if path.name.startswith(('train_iter_4', 'iter_4', 'report')):
            path.unlink()
    again = run(folder)
    stages = [content['stages'][0] for content in (whole, again)]
    assert stages[0]['iterations'] == 4 and stages[0]['measured'] == stages[1]['measured']


def timeless(path: Path) -> object:
    """What a file of a run holds, less what tells times: of JSON, of glog's lines."""
    def without(value: object) -> object:
        if isinstance(value, dict):
            return {key: without(item) for key, item in value.items()
                    if key not in ('seconds', 'trained', 'written')}
        return [without(item) for item in value] if isinstance(value, list) else value
    if path.suffix == '.json':
        return without(json.loads(path.read_text()))
    if path.suffix == '.log':
        lines = [re.sub(r'^\S+ \S+ +\d+ (\S+) |\([^)]* iters\)', r'\1', line)
                 for line in path.read_text().splitlines()]
        return [line for line in lines if 'Log file created' not in line]
    return path.read_bytes()


def hold_alike(one: Path, several: Path) -> None:
    """Two runs hold the same files, which say the same; pages and the time spent tell times."""
    names = {str(path.relative_to(one)) for path in one.rglob('*') if path.is_file()}
    assert names == set(bytes_below(several)) and any('caffemodel' in name for name in names)
    told = [name for name in names
            if not name.endswith(('.seconds', 'report.md', 'report.html'))]
    for name in sorted(told):
        assert timeless(one / name) == timeless(several / name), name


def runs(args: list[object], ranks: int, fcn, torchrun, tmp_path: Path, monkeypatch) -> list:
    """Run a command alone in a/ and by several ranks in b/; return how the ranks ended."""
    for folder in 'ab':
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / 'a')
    found = fcn(*args, '--out', 'run')
    assert found.exit_code == 0, found.output
    monkeypatch.chdir(tmp_path / 'b')
    ended = torchrun.run(*[lambda: main([*map(str, args), '--out', 'run'])] * ranks, timeout=400)
    assert [one.status for one in ended] == [0] * ranks, [one.err for one in ended]
    assert all(one.out == one.err == '' for one in ended[1:])
    hold_alike(tmp_path / 'a' / 'run', tmp_path / 'b' / 'run')
    return ended


def test_reproduce_gives_the_figures_and_files_of_one_process(
        scenes, fcn, torchrun, tmp_path: Path, monkeypatch) -> None:
    """Weights bit for bit, with Dropout; three images are scored by two ranks, one by each turn."""
    args = ['reproduce', 'voc-fcn32s', '--data', scenes.root, '--width', 0.03125, '--blocks', 2,
            '--limit', 3, '--block', 2]
    ended = runs(args, 2, fcn, torchrun, tmp_path, monkeypatch)
    assert ended[0].out.startswith('voc-fcn32s 2/4: ')
    scores = json.loads((tmp_path / 'b/run/voc-fcn32s/scores/iter_4.json').read_text())
    assert len(scores['images']) == 3
    ended = torchrun.fcn(4, *args, '--out', 'others')
    assert [one.status for one in ended] == [1] * 4
    assert [line for one in ended for line in one.err.splitlines()] == [
        'fcn: voc-fcn32s, the images to score: 3 image(s) for 4 ranks; start at most 3 processes']
    ended = torchrun.fcn(2, *args, '--share-steps', '--out', 'other')
    assert [one.status for one in ended] == [1, 1]
    assert [line for one in ended for line in one.err.splitlines()] == [
        'fcn: voc-fcn32s: the 1 pass(es) of a step cannot be shared by 2 ranks: start as many as '
        'divide them, or leave --share-steps out']


@pytest.mark.slow
def test_ablate_gives_the_figures_and_files_of_one_process(
        scenes, fcn, torchrun, tmp_path: Path, monkeypatch) -> None:
    ended = runs(['ablate', 'voc', '--data', scenes.root, '--width', 0.03125, '--blocks', 1,
                  '--limit', 3, '--block', 20], 2, fcn, torchrun, tmp_path, monkeypatch)
    found = json.loads((tmp_path / 'b' / 'run' / 'ablation.json').read_text())['runs']
    assert len(found) == 6 and all(np.isfinite(run['best']) for run in found.values())
    assert 'DOES NOT hold' in ended[0].out or 'holds here' in ended[0].out


@pytest.mark.slow
def test_ranks_share_the_passes_of_a_step_where_that_is_asked_for(
        scenes, fcn, torchrun, tmp_path: Path) -> None:
    """accum steps once in 20 images: ten on each of two ranks. Dropout's masks are their own."""
    def args(out: str) -> list[str]:
        return ['reproduce', 'accum', '--share-steps', '--net', 'voc-fcn32s', '--data',
                str(scenes.root), '--width', '0.03125', '--blocks', '1', '--limit', '3',
                '--block', '20', '--out', str(tmp_path / out)]
    ended = torchrun.run(*[lambda: main(args('two'))] * 2, timeout=200)
    assert [one.status for one in ended] == [0, 0], [one.err for one in ended]
    assert fcn(*args('one')).exit_code == 0
    found = [json.loads((tmp_path / name / 'report.json').read_text())['stages'][0]
             for name in ('one', 'two')]
    assert [stage['iterations'] for stage in found] == [1, 1]
    logs = [(tmp_path / name / 'accum' / 'train.log').read_text() for name in ('one', 'two')]
    assert '2 ranks: ' in logs[1] and "a step takes 20 images' worth of passes" in logs[1]
