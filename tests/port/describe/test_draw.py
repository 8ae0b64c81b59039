"""The picture of a net: what is in the boxes, which edges there are, and files written whole."""

import sys
from pathlib import Path

import pytest
from PIL import Image

from netspec.families import make_net
from netspec.families.fcn import fcn
from netspec.schema import parse_net
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from port.describe import draw as drawing
from port.describe.draw import Edge, blocks_of, dot, draw
from port.describe.net_shapes import ShapedNet, shaped_net


@pytest.fixture(scope='module')
def voc8() -> ShapedNet:
    return shaped_net(fcn('voc-fcn8s', 'deploy', width=1 / 16), TEST)


def test_boxes_of_fcn8s(voc8: ShapedNet) -> None:
    blocks, edges = blocks_of(voc8)
    first = [[name for name, _ in block.lines] for block in blocks]
    assert first[:3] == [['data'], ['conv1_1', 'conv1_2', 'pool1'], ['conv2_1', 'conv2_2', 'pool2']]
    assert ['fc6', 'fc7', 'score_fr'] in first and len(blocks) == 17
    assert blocks[1].text == ['conv1_1  4 of 3×3, pad 100, ReLU', 'conv1_2  4 of 3×3, pad 1, ReLU',
                              'pool1    MAX pool 2×2, stride 2', '4 × 349 × 349']
    names = {tuple(names): i for i, names in enumerate(first)}
    fuse, crop, up = (names[n,] for n in ('fuse_pool4', 'score_pool4c', 'upscore2'))
    assert {e for e in edges if e.end == crop} == {Edge(names['score_pool4',], crop),
                                                   Edge(up, crop, reference=True)}
    assert {e.start for e in edges if e.end == fuse} == {up, crop}
    assert Edge(0, names['score',], reference=True) in edges


def test_every_layer_is_in_one_box(voc8: ShapedNet) -> None:
    lines = [line for block in blocks_of(voc8)[0] for line in block.lines]
    wanted = [n.name for n in voc8.layers if n.param.bottom and n.type != 'ReLU']
    assert sorted(name for name, _ in lines if name != 'data') == sorted(wanted)
    assert sum(what.endswith('ReLU') for _, what in lines) == 15


def test_what_is_said_of_layers() -> None:
    net = shaped_net(parse_net('''
        layer { name: "d" type: "Input" top: "d" input_param { shape {
          dim: 1 dim: 4 dim: 20 dim: 20 } } }
        layer { name: "c" type: "Convolution" bottom: "d" top: "c" convolution_param { num_output: 6
          kernel_h: 3 kernel_w: 1 stride_h: 2 stride_w: 1 group: 2 dilation: 2 } }
        layer { name: "u" type: "Deconvolution" bottom: "c" top: "u" param { lr_mult: 0 }
          convolution_param { num_output: 6 kernel_size: 4 stride: 2 bias_term: false } }
        layer { name: "s" type: "Scale" bottom: "u" top: "s" scale_param { filler { value: 2 } } }
        layer { name: "e" type: "Eltwise" bottom: "s" bottom: "u" top: "e" eltwise_param {
          coeff: 0.5 coeff: -1 } }
        layer { name: "g" type: "Pooling" bottom: "e" top: "g" pooling_param {
          pool: AVE global_pooling: true } }
        layer { name: "i" type: "InnerProduct" bottom: "g" top: "i" inner_product_param {
          num_output: 7 } }
        layer { name: "p" type: "Softmax" bottom: "i" top: "p" }'''), TEST)
    lines = [line for block in blocks_of(net)[0] for line in block.lines]
    assert dict(lines) == {
        'd': 'Input', 'c': '6 of 3×1, stride 2×1, dilation 2, group 2',
        'u': 'up 6 of 4×4, stride 2, fixed', 's': 'Scale × 2', 'e': 'Eltwise SUM × 0.5, -1',
        'g': 'AVE pool, whole image', 'i': '7 inner products', 'p': 'Softmax'}


@pytest.mark.parametrize('suffix', ['.png', '.svg', '.pdf'])
def test_files(voc8: ShapedNet, tmp_path: Path, suffix: str) -> None:
    path = draw(voc8, tmp_path / f'net{suffix}', graphviz=False)
    assert list(tmp_path.iterdir()) == [path]
    if suffix == '.png':
        with Image.open(path) as image:
            assert min(image.size) > 600
    else:
        assert path.read_bytes().startswith({'.svg': b'<?xml', '.pdf': b'%PDF'}[suffix])
    again = draw(voc8, tmp_path / f'again{suffix}', graphviz=False)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize('name', VARIANTS)
def test_every_variant_has_its_boxes(name: str) -> None:
    blocks, edges = blocks_of(shaped_net(make_net(name, 'deploy', width=1 / 16), TEST))
    assert 6 < len(blocks) < (250 if VARIANTS[name].trunk == 'resnet101' else 70)
    assert all(e.start < e.end for e in edges)
    read = {e.start for e in edges}
    ends = [b for i, b in enumerate(blocks) if i not in read]
    assert len(ends) == len(VARIANTS[name].heads)


def test_graphviz_gets_every_box(voc8: ShapedNet) -> None:
    blocks, edges = blocks_of(voc8)
    text = dot(blocks, edges, 'a "net"')
    assert text.count('fillcolor') == len(blocks) and text.count(' -> ') == len(edges)
    assert 'label="a \\"net\\""' in text and 'score_pool4  21 of 1×1<br align="left"/>' in text


def test_graphviz_is_used_where_installed(voc8: ShapedNet, tmp_path: Path,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / 'bin' / 'dot'
    fake.parent.mkdir()
    fake.write_text(f'#!{sys.executable}\nimport sys\n'
                    'sys.stdout.write(sys.argv[1] + sys.stdin.read())\n')
    fake.chmod(0o755)
    monkeypatch.setenv('PATH', str(fake.parent), prepend=':')
    assert draw(voc8, tmp_path / 'net.svg').read_text().startswith('-Tsvgdigraph net {')


def test_graphviz_that_fails_is_quoted(voc8: ShapedNet, tmp_path: Path,
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / 'bin' / 'dot'
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\necho "Error: No space left" >&2\nexit 3\n')
    fake.chmod(0o755)
    monkeypatch.setenv('PATH', str(fake.parent), prepend=':')
    with pytest.raises(ValueError, match=r'net.svg: .*\(exit status 3\): Error: No space left'):
        draw(voc8, tmp_path / 'net.svg')
    assert [p.name for p in tmp_path.iterdir()] == ['bin']


def test_refusals_leave_nothing(voc8: ShapedNet, tmp_path: Path,
                                monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r'expected \.svg, \.png, \.pdf'):
        draw(voc8, tmp_path / 'net.gif')
    with pytest.raises(FileNotFoundError, match='make it first'):
        draw(voc8, tmp_path / 'none' / 'net.svg')
    monkeypatch.setattr(drawing.shutil, 'which', lambda name: None)
    with pytest.raises(FileNotFoundError, match='Graphviz is not installed'):
        draw(voc8, tmp_path / 'net.svg', graphviz=True)
    assert not list(tmp_path.iterdir())
