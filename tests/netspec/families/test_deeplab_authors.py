"""The authors' files against the digests of what they published, and against our own nets."""

import hashlib
import json
import re
from functools import cache
from pathlib import Path

import pytest

from netspec.families import make_net
from netspec.families.deeplab_authors import authors_files
from netspec.schema import parse_net, parse_solver, upgrade_net
from netspec.schema.messages import TEST, TRAIN, LayerParameter, NetParameter
from netspec.variants.deeplab_rows import DEEPLAB_ROWS, DeepLab

ROOT = Path(__file__).parents[3]
PUBLISHED = [line.split() for line in
             (ROOT / 'tests/golden/deeplab_files.txt').read_text().splitlines()
             if not line.startswith('#')]
# What differs between our files and the authors': data, ends, and what only the authors wrote.
ENDS = ('data', 'silence', 'input', 'score', 'accuracy', 'loss')
NAMES = ('EXP', 'DATA_ROOT', 'TRAIN_SET', 'TEST_SET', 'NET_ID', 'FEATURE_DIR')
# Nets of 1,350 layers take their time, and these two are between those that stay.
SLOW = ('deeplab-resnet101-msc', 'deeplab-resnet101-largefov')
ROWS = [pytest.param(row, id=row.name, marks=[pytest.mark.slow] * (row.name in SLOW))
        for row in DEEPLAB_ROWS]


def tree_digest(text: str) -> str:
    """Digest a prototxt's meaning without a schema: fields sorted by name, numbers as floats."""
    words = re.findall(r'"[^"]*"|[{}]|[^\s{}:"]+', re.sub(r'#[^\n]*', '', text).replace(':', ' '))
    stack: list[list] = [[]]
    name = None
    for word in words:
        if word == '}':
            block = stack.pop()
            stack[-1][-1][1] = sorted(block, key=lambda pair: pair[0])
        elif word == '{':
            stack[-1].append([name, None])
            stack.append([])
            name = None
        elif name is None:
            name = word
        else:
            stack[-1].append([name, value_of(word)])
            name = None
    tree = sorted(stack[0], key=lambda pair: pair[0])
    return hashlib.sha256(json.dumps(tree, separators=(',', ':')).encode()).hexdigest()


def value_of(word: str) -> str:
    if word[0] == '"':
        return f's:{word[1:-1]}'
    try:
        return repr(float(word))
    except ValueError:
        return f'w:{word}'


files = cache(authors_files)


@cache
def theirs_and_ours(name: str, file: str) -> tuple[NetParameter, NetParameter]:
    """Return the authors' net of a file, as we read it, and ours."""
    return parse_net(files(name)[f'{file}.prototxt']), upgrade_net(make_net(name, file))


def test_twenty_files_are_published_and_no_other_is_written_for_their_rows():
    assert len(PUBLISHED) == 20
    rows = {row for _, row, _ in PUBLISHED}
    assert {(row, file) for _, row, file in PUBLISHED} == {
        (row, name.removesuffix('.prototxt')) for row in rows for name in files(row)}


@pytest.mark.parametrize(('digest', 'row', 'file'), PUBLISHED,
                         ids=[f'{row}-{file}' for _, row, file in PUBLISHED])
def test_tree_is_the_published_one(digest, row, file):
    assert tree_digest(files(row)[f'{file}.prototxt']) == digest


def test_a_tree_digest_knows_order_and_numbers():
    same = 'a { b: 1 c: "x" } d: 2 d: 3'
    assert tree_digest(same) == tree_digest('d: 2.0 # two\na: { c: "x" b: 1e0 } d: 3')
    for other in same.replace('2', '4'), same.replace('d: 2 d: 3', 'd: 3 d: 2'), same + ' e: TRUE':
        assert tree_digest(other) != tree_digest(same)


def body(net: NetParameter) -> dict[str, LayerParameter]:
    """Return the layers of trunk, classifiers and fusion by name."""
    return {layer.name: layer for layer in net.layer
            if not layer.name.startswith(ENDS) and layer.type not in ('MatWrite', 'DenseCRF')
            and not layer.name.endswith('_crop')}


@pytest.mark.parametrize('file', ['train', 'test'])
@pytest.mark.parametrize('row', ROWS)
def test_the_authors_net_upgraded_is_ours(row: DeepLab, file: str):
    theirs, ours = map(body, theirs_and_ours(row.name, file))
    if row.release.first and file == 'test':       # theirs kept what only training needs
        for layer in theirs.values():
            layer.ClearField('param')
            if layer.type == 'Convolution':
                layer.convolution_param.ClearField('weight_filler')
                layer.convolution_param.ClearField('bias_filler')
    assert theirs == ours
    assert list(theirs) == list(ours)


@pytest.mark.parametrize('row', ROWS)
def test_the_authors_losses_are_ours(row: DeepLab):
    theirs, ours = theirs_and_ours(row.name, 'train')
    losses = [[(layer.name, list(layer.bottom)) for layer in net.layer
               if layer.type in ('SoftmaxWithLoss', 'SegAccuracy')] for net in (theirs, ours)]
    assert losses[0] == losses[1]
    for net, ignored in (theirs, not row.release.first), (ours, True):
        for layer in net.layer:
            if layer.type == 'SoftmaxWithLoss':
                assert layer.loss_param.ignore_label == 255 if ignored else (
                    not layer.HasField('loss_param'))


@pytest.mark.parametrize('row', ROWS)
def test_files_have_what_their_phase_needs(row: DeepLab):
    for name, text in files(row.name).items():
        assert '${' not in text
        assert ('layers {' in text) == (row.release.v1 and not name.startswith('solver'))
        if name.startswith('solver'):
            assert parse_solver(text).lr_policy in ('step', 'poly')
        elif name in ('train.prototxt', 'test.prototxt'):
            file = name.removesuffix('.prototxt')
            phase = theirs_and_ours(row.name, file)[0].layer[0].include[0].phase
            assert phase == dict(train=TRAIN, test=TEST)[file]


@pytest.mark.parametrize('name', ['deeplab-largefov', 'deeplab-resnet101-plain'])
def test_placeholders_can_be_left_and_are_filled_when_read(name):
    left = authors_files(name, defines={key: f'${{{key}}}' for key in NAMES})
    values = dict(EXP='mine', DATA_ROOT='/data', TRAIN_SET='some', TEST_SET='few',
                  NET_ID='net', FEATURE_DIR='out')
    made = authors_files(name, defines=values)
    for file, text in left.items():
        read = parse_solver if file.startswith('solver') else parse_net
        assert read(text, defines=values) == read(made[file]), file
        if file != 'deploy21.prototxt':            # for one machine, and filled
            with pytest.raises(ValueError, match=r'not filled: \$\{'):
                read(text)
    train = parse_net(made['train.prototxt'])
    assert train.layer[0].image_data_param.source == 'mine/list/some.txt'
    head = 'fc1_mine' if 'resnet' in name else 'fc8_mine'
    assert head in [layer.name for layer in train.layer]


def test_width_and_classes_fit_the_authors_files_too():
    made = authors_files('deeplab-largefov', width=1 / 16, classes=5)
    counts = {layer.name: layer.convolution_param.num_output
              for layer in parse_net(made['train.prototxt']).layer if layer.type == 'Convolution'}
    assert (counts['conv1_1'], counts['fc7'], counts['fc8_voc12']) == (4, 64, 5)


def test_other_families_and_placeholders_are_refused():
    with pytest.raises(ValueError, match="voc-fcn8s is no net of DeepLab's"):
        authors_files('voc-fcn8s')
    with pytest.raises(KeyError, match="no placeholder 'NETID'; did you mean 'NET_ID'"):
        authors_files('deeplab-4x4', defines=dict(NETID='x'))


def test_solver2_goes_on_longer_where_the_authors_did():
    rows = ('deeplab-largefov', 'deeplab-resnet101')
    steps = {name: [parse_solver(files(name)[f'{file}.prototxt']).max_iter
                    for file in ('solver', 'solver2')] for name in rows}
    assert steps == {'deeplab-largefov': [6000, 8000], 'deeplab-resnet101': [20000, 20000]}
