"""The commands of the pages are run, page by page, on a desk with small data; links lead somewhere.

What a page shows is run as it stands, but for what a small machine needs (SMALL); what cannot run
here says why (CANNOT), and test_documented.py holds its options.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from port.cli import main
from port.data.scenes import draw_dataset

ROOT = Path(__file__).resolve().parents[1]
PAGES = [page for page in (
    *(ROOT / name for name in ('README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md')),
    *sorted((ROOT / 'docs').glob('*.md')), *sorted((ROOT / 'weights').rglob('*.md')))
    if page.is_file()]                              # none where only the tests are, off the tree
QUICK = ('README.md', 'docs/own-data.md', 'docs/onnx.md', 'docs/serve.md')
COUNTED = {'README.md': 9, 'docs/own-data.md': 3}       # commands of these pages that run, at least

OTHERS = 'weights of others, which do not come along'
CANNOT = {
    r'--download': 'fetches gigabytes; tests/port/commands/test_reproduce.py',
    r'VGG16\.caffemodel|VGG_ILSVRC_16|vgg16\.caffemodel|397923af|fcn8s|resnet101\.pth'
    r'|compressed_SqueezeNet': OTHERS,
    r'init\.caffemodel': OTHERS,
    r'squeezenet\.(caffemodel|prototxt)|W\.caffemodel|deploy\.prototxt': OTHERS,
    r'--weights runs/': 'goes on from a run of hours',
    r'^fcn serve': 'runs until it is stopped; tests/port/commands/test_serve.py',
    r'--all --compare': 'takes minutes; tests/port/export/test_every_net.py',
    r'--gpu': 'needs a GPU', r'LabeledApproved_full|coloured': 'original labels of CamVid; '
    'tests/port/commands/test_data.py', r'summary train\.prototxt': "the authors' file",
    r'run script\.py|caffe train': "a reader's own script",
    r'data check sbdd': 'the drawn lists are shorter than the published ones, which it says by its '
    'exit code; tests/port/commands/test_data.py',
    r'crf search|ablate|reproduce camvid-segnet|reproduce camvid-fcn-basic-balanced':
    'takes minutes; tests of the command itself'}
SMALL = {
    'new': ['--width', '0.03125'],
    'reproduce': ['--width', '0.03125', '--block', '2', '--blocks', '1', '--limit', '1'],
    'bound': ['--limit', '2'], 'score': []}


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands(page: Path) -> list[str]:
    """The lines of a page's code that begin with fcn, without comments."""
    blocks = re.findall(r'^```(\w*)\n(.*?)^```', page.read_text(encoding='utf-8'), re.M | re.S)
    lines = '\n'.join(text for kind, text in blocks if not kind).replace('\\\n', ' ').splitlines()
    return [re.sub(r'\s+#.*$', '', line).strip() for line in lines if line.startswith('fcn ')]


def reason(line: str) -> str:
    """Why a command cannot run here; '' for one that can."""
    return next((why for what, why in CANNOT.items() if re.search(what, line)), '')


@pytest.fixture(scope='module')
def desk(tmp_path_factory) -> Path:
    """A folder with what the pages speak of: pictures, labels, datasets, in small."""
    folder = tmp_path_factory.mktemp('desk')
    voc = draw_dataset(folder / 'data', 5, 2, (64, 80)) / 'pascal/VOC2011'
    for name in ('photos', 'masks'):
        (folder / name).mkdir()
    for path in (voc / 'SegmentationClass').glob('*.png'):
        with Image.open(path) as labels:
            labels.save(folder / 'masks' / path.name)
        with Image.open(voc / 'JPEGImages' / f'{path.stem}.jpg') as image:
            image.save(folder / 'photos' / f'{path.stem}.jpg')
            for one in ('street.jpg', 'street.png', 'picture.jpg', 'photo.jpg', 'cat.jpg'):
                image.resize((120, 96)).save(folder / one)
    from port.data.voc import CLASSES
    (folder / 'names.txt').write_text('\n'.join(CLASSES) + '\n')
    camvid(folder / 'data/camvid')
    for name in ('prototxt', 'solvers', 'weights'):
        (folder / name).symlink_to(ROOT / name)
    return folder


def camvid(folder: Path) -> None:
    """A CamVid of two frames a list."""
    random = np.random.RandomState(0)
    for part in ('train', 'val', 'test'):
        for kind in (part, f'{part}annot'):
            (folder / kind).mkdir(parents=True)
        for name in (f'{part}_a', f'{part}_b'):
            coarse = random.randint(0, 11, (3, 4)).astype(np.uint8)
            label = coarse.repeat(120, 0).repeat(120, 1)
            Image.fromarray(label).save(folder / f'{part}annot' / f'{name}.png')
            rgb = np.stack([label * 20, 255 - label * 20, label * 7], 2).astype(np.uint8)
            Image.fromarray(rgb).save(folder / part / f'{name}.png')
        (folder / f'{part}.txt').write_text(f'{part}_a\n{part}_b\n')


def smaller(words: list[str]) -> list[str]:
    """Add what a small machine needs; a solver that was written before gets two iterations."""
    if words[0] == 'train':
        solver = Path(words[words.index('--solver') + 1])
        solver = solver / 'solver.prototxt' if solver.is_dir() else solver
        text = re.sub(r'max_iter: \d+', 'max_iter: 2', solver.read_text())
        text = re.sub(r'snapshot: \d+', 'snapshot: 2', text)
        solver.write_text(re.sub(r'test_interval: \d+', 'test_interval: 2', text))
    if '--list' in words or '--released' in words:
        return words
    width = ['--width', '0.03125'] if words[0] == 'generate' and '--out' in words and not {
        '--syntax', '--width'} & {*words} else []
    return [*words, *SMALL.get(words[0], []), *width]


def runs(page: Path) -> Iterator[list[str]]:
    for line in commands(page):
        if not reason(line):
            yield shlex.split(line)[1:]


@pytest.mark.parametrize('page', [
    pytest.param(page, id=named(page), marks=[] if named(page) in QUICK else pytest.mark.slow)
    for page in PAGES if commands(page)])
def test_every_command_runs_that_can(page: Path, desk: Path, monkeypatch) -> None:
    monkeypatch.chdir(desk)
    count = 0
    for words in runs(page):
        done = CliRunner().invoke(main, smaller(words), prog_name='fcn')
        assert done.exit_code == 0, f'fcn {shlex.join(words)}: {done.output[-2000:]}'
        count += 1
    assert count >= COUNTED.get(named(page), 0)


def test_what_cannot_run_is_on_some_page() -> None:
    """Or the table tells of commands that are gone."""
    lines = [line for page in PAGES for line in commands(page)]
    assert len(lines) > 70
    assert [what for what in CANNOT if not any(re.search(what, line) for line in lines)] == []


# -- links -----------------------------------------------------------------------------------------

def anchor(heading: str) -> str:
    """The name that a heading has in links, as code hosts make it."""
    text = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', heading).strip().lower()
    return re.sub(r'[^\w\- ]', '', text).replace(' ', '-')


def broken(page: Path, text: str) -> list[str]:
    """Return the links of a page to files or headings that are not there."""
    found = []
    plain = re.sub(r'^```.*?^```|`[^`\n]*`', '', text, flags=re.M | re.S)
    for link in re.findall(r'\]\(([^)\s]+)\)', plain):
        path, _, part = unquote(link).partition('#')
        if re.match(r'[a-z]+:', path):
            continue                             # another machine's, which is not asked
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            found.append(link)
        elif part and target.suffix == '.md' and part not in map(anchor, re.findall(
                r'^#+ (.*)$', target.read_text(encoding='utf-8'), re.M)):
            found.append(link)
    return found


@pytest.mark.parametrize('page', PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page, page.read_text(encoding='utf-8')) == []


def test_a_broken_link_is_found() -> None:
    text = '[a](none.md) [b](README.md#nothing) [c](README.md#map) `[d](none.md)` [e](https://x)'
    assert broken(ROOT / 'README.md', text) == ['none.md', 'README.md#nothing']


# -- README ----------------------------------------------------------------------------------------

def test_the_table_of_commands_has_them_all() -> None:
    import click
    text = (ROOT / 'README.md').read_text().split('## Which command')[1].split('\n## ')[0]
    told = {words.split()[1] for words in re.findall(r'`(?:torchrun … )?(fcn [a-z]+)', text)}
    assert told == set(main.list_commands(click.Context(main)))


def test_readme_answers_in_the_order_of_a_strangers_questions() -> None:
    headings = re.findall(r'^## (.*)$', (ROOT / 'README.md').read_text(), re.M)
    assert headings == ['Does it work?', 'My picture', 'My data', 'Which command do I want?',
                        'Generate', 'Reproduce', 'Export', 'How exact?', 'How fast?', 'Map']


@pytest.mark.parametrize(('line', 'found'), [
    ('fcn inf', 'plain,infer'), ('fcn infer camvid-fcn16s-sq', 'plain,camvid-fcn16s-squeezenet'),
    ('fcn infer --sca', 'plain,--scales'), ('fcn infer ./no', 'file,./no')])
def test_the_shell_completes(line: str, found: str) -> None:
    words = line.split()
    done = CliRunner().invoke(main, prog_name='fcn', env={
        '_FCN_COMPLETE': 'bash_complete', 'COMP_WORDS': line, 'COMP_CWORD': str(len(words) - 1)})
    assert found in done.output.splitlines(), done.output
