"""What a net consists of: the figures of the CVPR paper's table 1, and small nets by hand."""

import json
from pathlib import Path

import pytest

from netspec.families import make_net
from netspec.families.fcn import fcn
from netspec.schema import parse_net
from netspec.schema.messages import TEST, TRAIN
from port.describe.net_shapes import shaped_net
from port.describe.summary import Row, as_dict, report, summarize, table, totals

ROOT = Path(__file__).resolve().parents[3]


def rows_of(name: str, size: tuple[int, int] | None = None) -> dict[str, Row]:
    return {row.layer: row for row in summarize(shaped_net(fcn(name, 'deploy'), TEST, size))}


@pytest.fixture(scope='module')
def voc8() -> dict[str, Row]:
    return rows_of('voc-fcn8s')


# Long et al. 2015, table 1: parameter layers, parameters in millions, receptive field
@pytest.mark.parametrize(('name', 'layers', 'millions', 'field'), [
    ('voc-fcn-alexnet', 8, 57, 355), ('voc-fcn32s', 16, 134, 404)])
def test_table_1(name: str, layers: int, millions: int, field: int) -> None:
    found = totals(list(rows_of(name).values()))
    assert found.parameter_layers == layers and round(found.learnt / 1e6) == millions
    assert found.receptive_field == (field, field) and found.stride == (32, 32)


@pytest.mark.parametrize(('name', 'field', 'stride'), [
    ('voc-fcn8s', 404, 8), ('voc-fcn16s', 404, 16), ('voc-fcn-googlenet', 715, 32),
    ('voc-fcn8s-resnet34', 899, 8), ('deeplab-vgg16-largefov', None, 8),
    ('camvid-segnet-basic', 1 + (6 + 1) * (1 + 2 + 4 + 8) + 6 * (8 + 4 + 2 + 1), 1)])
def test_totals_are_those_of_the_scores(name: str, field: int | None,
                                         stride: int) -> None:
    """Learnt upsampling sees no more than the scores it enlarges, and an 8s ends at stride 8.

    715 is GoogLeNet's field before the pooling that an FCN discards; SegNet-Basic has a 7 x 7
    kernel and a pooling at each of the strides 1, 2, 4, 8, and four kernels on the way back.
    """
    net = shaped_net(make_net(name, 'deploy', width=1 / 16), TEST)
    found = totals(summarize(net))
    assert found.stride == (stride, stride) and field in (None, found.receptive_field[0])


def test_fields_strides_and_offsets(voc8: dict[str, Row]) -> None:
    def place(name: str) -> tuple[float, float, float]:
        p = voc8[name].place
        assert len({*p.field}) == len({*p.stride}) == len({*p.offset}) == 1
        return float(p.field[0]), float(p.stride[0]), float(p.offset[0])
    assert place('conv1_1') == (3, 1, -99)        # pad 100: the window's centre is on row -99
    assert place('pool1') == (6, 2, -98.5)
    assert place('pool4') == (100, 16, -91.5)
    assert place('score_fr') == (404, 32, 12.5)
    assert place('upscore2')[1:] == place('score_pool4c')[1:] == (16, -11.5)
    assert place('score')[1:] == (1, 0)           # every score lies on its pixel


def test_counts(voc8: dict[str, Row]) -> None:
    assert voc8['conv1_1'].shape == (1, 64, 698, 698)
    assert voc8['conv1_1'].learnt == 64 * 3 * 9 + 64
    assert voc8['conv1_1'].multiply_adds == 64 * 698 * 698 * 27
    assert voc8['conv1_1'].bytes == 4 * 64 * 698 * 698 and voc8['relu1_1'].bytes == 0
    assert (voc8['upscore2'].learnt, voc8['upscore2'].fixed) == (0, 21 * 21 * 16)
    assert voc8['upscore2'].multiply_adds == 21 * 16 * 16 * 21 * 16
    assert voc8['pool1'].learnt == voc8['pool1'].multiply_adds == 0


def test_size() -> None:
    found = rows_of('camvid-fcn32s', (96, 130))
    assert found['score'].shape == (1, 11, 96, 130)


def test_columns_of_their_own() -> None:
    net = shaped_net(parse_net('''
        layer { name: "d" type: "Input" top: "d" input_param { shape {
          dim: 1 dim: 2 dim: 20 dim: 20 } } }
        layer { name: "c" type: "Convolution" bottom: "d" top: "c" convolution_param {
          num_output: 3 kernel_h: 5 kernel_w: 1 stride_h: 2 stride_w: 1 bias_term: false } }
        layer { name: "p" type: "InnerProduct" bottom: "c" top: "p" inner_product_param {
          num_output: 4 } }
        layer { name: "s" type: "Softmax" bottom: "p" top: "s" }'''), TEST)
    _, conv, inner, soft = summarize(net)
    assert conv.place.field == (5, 1) and conv.place.stride == (2, 1)
    assert conv.place.offset == (2, 0)
    assert inner.place is None and soft.place is None
    assert inner.multiply_adds == 3 * 8 * 20 * 4 and inner.learnt == inner.multiply_adds + 4
    assert '5 x 1' in table([conv])


def test_shared_parameters_count_once() -> None:
    shared = '''layer { name: "%s" type: "InnerProduct" bottom: "d" top: "%s"
        param { name: "w" } param { name: "b" } inner_product_param { num_output: 4 } }'''
    net = shaped_net(parse_net('''layer { name: "d" type: "Input" top: "d" input_param { shape {
        dim: 2 dim: 3 } } }''' + shared % ('a', 'a') + shared % ('b', 'b')), TEST)
    assert [row.learnt for row in summarize(net)] == [0, 16, 0]


@pytest.mark.parametrize('path', ['siftflow-fcn16s/trainval', 'nyud-fcn32s-color-d/test',
                                  'voc-fcn8s-atonce/train'])
def test_data_layers_need_no_data(path: str) -> None:
    net = shaped_net(str(ROOT / 'prototxt' / f'{path}.prototxt'), TRAIN, (64, 96))
    rows = summarize(net)
    assert rows[0].type == 'Input' and rows[0].shape == (1, 3, 64, 96)
    assert totals(rows).parameter_layers >= 16


def test_json_and_table(voc8: dict[str, Row]) -> None:
    rows, net = list(voc8.values()), shaped_net(fcn('voc-fcn8s', 'deploy'), TEST)
    found = as_dict(net)
    assert found['layers'][1]['place']['offset'] == [-99, -99]
    assert found['totals']['learnt'] == totals(rows).learnt and found['warnings'] == []
    assert json.loads(json.dumps(found))['totals']['stride'] == [8, 8]
    assert '18 parameter layers' in table(rows) and max(map(len, table(rows).splitlines())) < 140
    assert report(net) == table(rows)


# Chen et al. 2015 (arXiv 1412.7062), table 2: field of view, parameters in millions
@pytest.mark.parametrize(('name', 'view', 'millions', 'field'), [
    ('deeplab-7x7', 224, 134.3, 419), ('deeplab-4x4', 128, 65.1, 308),
    ('deeplab-4x4-r8', 224, 65.1, 419), ('deeplab-largefov', 224, 20.5, 435)])
def test_deeplabs_table_2(name: str, view: int, millions: float, field: int) -> None:
    """Beside the papers' field of view stands the true one."""
    rows = summarize(shaped_net(make_net(name, 'deploy'), TEST))
    found = totals(rows)
    assert found.views == {'fc6': view} and round(found.learnt / 1e6, 1) == millions
    assert found.receptive_field == (field, field) and found.stride == (8, 8)
    assert f'8 (k - 1) r + 32: fc6 {view}' in table(rows)


def test_layers_of_the_three_scales() -> None:
    """DeepLab v2's ResNet-101 in training; a data layer gives what it crops."""
    rows = summarize(shaped_net(make_net('deeplab-resnet101', 'train', width=1 / 64), TRAIN))
    assert totals(rows).layers == 1369
    shapes = {row.layer: row.shape for row in rows}
    assert shapes['data'][2:] == (321, 321) and shapes['label_shrink'][2:] == (41, 41)


def test_views_of_several_classifiers() -> None:
    net = make_net('deeplab-vgg16-aspp-l', 'deploy', width=1 / 64)
    found = totals(summarize(shaped_net(net, TEST)))
    assert found.views == {'fc6_1': 128, 'fc6_2': 224, 'fc6_3': 320, 'fc6_4': 416}
