"""DeepLab's nets, narrow, as the engine runs them: the sizes that the papers state."""

from pathlib import Path

import pytest
import torch

from netspec.families import make_net
from netspec.families.deeplab_authors import authors_files
from netspec.generate import data_roots
from netspec.schema import parse_net
from netspec.schema.messages import TEST, TRAIN, NetParameter
from netspec.variants import VARIANTS
from port.data.scenes import draw_dataset
from port.describe.timing import timed_net
from port.engine.net import Net

WIDTH = 1 / 64
# Nets of 1,350 layers take their time, and these two are between those that stay.
BIG = ('deeplab-resnet101-msc', 'deeplab-resnet101-largefov')
NAMES = [pytest.param(name, marks=[pytest.mark.slow] * (name in BIG))
         for name in VARIANTS if name.startswith('deeplab')]


def with_inputs(source: NetParameter, size: int) -> NetParameter:
    """Return a net with inputs in place of its data layer, of square images."""
    net = NetParameter()
    for top in ('data', 'label', 'data_dim'):
        if any(top in layer.bottom for layer in source.layer):
            dims = {'data': [1, 3, size, size], 'label': [1, 1, size, size]}
            layer = net.layer.add(name=f'input_{top}', type='Input', top=[top])
            layer.input_param.shape.add(dim=dims.get(top, [1, 1, 1, 2]))
    net.layer.extend(layer for layer in source.layer
                     if layer.type not in ('ImageSegData', 'MatWrite'))
    return net


@pytest.mark.parametrize('name', NAMES)
def test_scores_meet_their_labels_in_training(name: str) -> None:
    """306 pixels make 39 scores, 321 make 41; at half the size there are 21."""
    row = VARIANTS[name]
    net = Net(timed_net(row, (row.crops[0],) * 2, WIDTH), TRAIN)
    wanted = {306: 39, 321: 41}[row.crops[0]]
    losses = [node for node in net.nodes if node.layer.type == 'SoftmaxWithLoss']
    sizes = {node.name: [blob.shape[2:] for blob in node.bottom] for node in losses}
    assert sizes['loss'] == [(wanted, wanted)] * 2
    assert sizes.get('loss_res05', [(21, 21)] * 2) == [(21, 21)] * 2
    assert len(sizes) == (4 if row.multiscale and row.trunk == 'resnet101' else 1)


@pytest.mark.parametrize('name', NAMES)
def test_scores_are_as_large_as_the_image_in_testing(name: str) -> None:
    row = VARIANTS[name]
    net = Net(with_inputs(make_net(name, 'test', width=WIDTH), row.crops[1]), TEST)
    assert net.blobs['score'].shape == (1, 21, row.crops[1], row.crops[1])
    deploy = Net(make_net(name, 'deploy', width=WIDTH), TEST)
    sizes = [(67, 50)] if row.grid == 1 else [(2 * row.grid + 1, row.grid + 1)]
    for height, width in sizes:
        with torch.no_grad():
            found = deploy.forward(data=torch.zeros(1, 3, height, width))
        assert {key: y.shape for key, y in found.items()} == {'score': (1, 21, height, width)}


@pytest.mark.parametrize('name', ['deeplab-4x4', 'deeplab-largefov', 'deeplab-msc-largefov',
                                  'deeplab-vgg16-aspp-l'])
def test_the_authors_own_files_run(name: str) -> None:
    row = VARIANTS[name]
    for file, phase in ('train', TRAIN), ('test', TEST):
        source = parse_net(authors_files(name, width=WIDTH)[f'{file}.prototxt'])
        net = Net(with_inputs(source, row.crops[phase == TEST]), phase)
        assert net.nodes[-1].name in ('accuracy', 'silence', 'fc8_crop')


def test_a_step_is_taken_on_three_scales() -> None:
    """Every shared parameter gets a gradient: a narrow net learns from its fillers on."""
    net = Net(timed_net(VARIANTS['deeplab-resnet101'], (97, 97), WIDTH), TRAIN)
    generator = torch.Generator().manual_seed(1)
    data = 60 * torch.randn(1, 3, 97, 97, generator=generator)
    label = torch.randint(0, 21, (1, 1, 97, 97), generator=generator).float()
    found = net.forward(data=data, label=label)
    losses = [float(y) for name, y in found.items() if name.startswith('loss')]
    assert len(losses) == 4 and all(2 < loss < 8 for loss in losses), losses   # log(21) is 3.04
    net.backward()
    for name in ('conv1', 'res3b3_branch2b', 'res5c_branch2c', 'fc1_voc12_c3'):
        assert net.params[name][0].diff.abs().max() > 0, name


@pytest.mark.parametrize(('name', 'size', 'better'), [
    ('deeplab-largefov', 320, 321), ('deeplab-largefov', 5, 9),
    pytest.param('deeplab-resnet101', 310, 321, marks=pytest.mark.slow)])
def test_a_crop_that_no_strides_divide(name: str, size: int, better: int, tmp_path: Path) -> None:
    """The line says it of the data layer, which decides the sizes of scores and labels."""
    data = draw_dataset(tmp_path, 1, 1, (33, 41))
    net = make_net(name, 'train', width=WIDTH, data_root=data_roots(VARIANTS[name], data))
    net.layer[0].transform_param.crop_size = size
    with pytest.raises(ValueError, match='crop_size') as caught:
        Net(net, TRAIN)
    said = str(caught.value)
    assert said.startswith(f"layer 'data' (ImageSegData): crop_size {size} does not suit the "
                           f'strides of the net, {better} does; bottoms of ')
    assert '(SoftmaxWithLoss)' in said or '(Eltwise)' in said
    net.layer[0].transform_param.crop_size = better
    Net(net, TRAIN)


def test_a_crop_is_not_blamed_for_other_faults(tmp_path: Path) -> None:
    data = draw_dataset(tmp_path, 1, 1, (33, 41))
    row = VARIANTS['deeplab-largefov']
    net = make_net(row.name, 'train', width=WIDTH, data_root=data_roots(row, data))
    shrink = next(layer for layer in net.layer if layer.name == 'label_shrink')
    shrink.interp_param.shrink_factor = 5
    with pytest.raises(ValueError, match=r"^layer 'loss' .* holds 126750 labels; expected 50430"):
        Net(net, TRAIN)
