"""Every layer's ONNX form, run by ONNX Runtime: on what Caffe recorded, and at many sizes against
our executor.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from netspec.schema import parse_net, read_net
from netspec.schema.messages import TEST
from port.engine.net import Net
from port.engine.registry import known_types
from port.export.onnx_file import export, random_weights

FOLDER = Path(__file__).resolve().parents[2] / 'golden'
GOLDEN = [*sorted((FOLDER / 'layers').glob('*.npz')), *(
    path for kind in ('conv', 'interp', 'pool')
    for path in sorted((FOLDER / 'deeplab' / 'layers').glob(f'{kind}*.npz')))]
NO_FORM = ('accuracy', 'contrastive', 'euclidean', 'hinge', 'sigmoid_xent', 'softmaxloss',
           'batchnorm_train', 'infogain', 'multinomial', 'filter', 'im2col',
           'batchnorm_in_place', 'batchnorm_one_value', 'batchnorm_scale_chain',
           'batchnorm_three_passes',                                    # recorded in training
           'conv_axis2', 'lstm', 'rnn', 'spp', 'overwritten_spp',       # refused by name
           'dummy_legacy', 'net_state_rules',                           # no input, no output
           'overwritten_label', 'overwritten_softmax_loss',             # end in a loss
           'net_propagate_down_false', 'net_weighted_top_read_on')
UNLIKE = {'flatten_then_in_place': 'a layer in place on a view changes what the view is of',
          'split_then_in_place': 'a layer in place on a view changes what the view is of',
          'scale_scalar_bottom': 'an input of no axes gets a batch axis'}
# float32 sums in another order, of each array's own largest value, as for the executor itself
RECORDED, SAME = 2e-4, 2e-5

Run = Callable[..., dict[str, np.ndarray]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """run(net, **arrays): export the net and return what ONNX Runtime gives for the arrays."""
    sessions = {}

    def act(net: Net, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        if id(net) not in sessions:
            path = export(net, tmp_path / f'{len(sessions)}.onnx')
            options = onnxruntime.SessionOptions()
            options.log_severity_level, options.intra_op_num_threads = 3, 1
            sessions[id(net)] = net, onnxruntime.InferenceSession(
                str(path), options, providers=['CPUExecutionProvider'])
        session = sessions[id(net)][1]
        wanted = {i.name for i in session.get_inputs()}
        feed = {k: np.ascontiguousarray(v, np.float32) for k, v in arrays.items() if k in wanted}
        names = [o.name.removesuffix('/output') for o in session.get_outputs()]
        return dict(zip(names, session.run(None, feed), strict=True))
    return act


def close(found: np.ndarray, wanted: np.ndarray, tolerance: float, what: str) -> None:
    assert found.shape == wanted.shape, f'{what}: {found.shape}, expected {wanted.shape}'
    peak = np.abs(wanted).max(initial=1e-6)
    assert np.abs(found - wanted).max(initial=0) <= tolerance * peak, what


@pytest.mark.parametrize('path', [
    pytest.param(p, id=p.stem, marks=[pytest.mark.xfail(strict=True, reason=UNLIKE[p.stem])]
                 if p.stem in UNLIKE else []) for p in GOLDEN if not p.stem.startswith(NO_FORM)])
def test_recorded(path: Path, run: Run) -> None:
    net = Net(read_net(path.with_suffix('.prototxt')), TEST)
    with np.load(path) as record:
        case = dict(record)
    for key, value in case.items():
        if key.startswith('param:'):
            _, layer, i = key.split(':')
            net.params[layer][int(i)].arrays('data')[...] = value
    found = run(net, **{k[3:]: v for k, v in case.items() if k.startswith('in:')})
    outputs = {k[4:]: v for k, v in case.items() if k.startswith('out:')}
    assert found.keys() == set(net.outputs)
    for name in found.keys() & outputs.keys():
        close(found[name], outputs[name], RECORDED, name)


@pytest.mark.parametrize('path', [p for p in GOLDEN if p.stem.startswith(NO_FORM[:6])],
                         ids=lambda p: p.stem)
def test_losses_are_refused_by_name(path: Path, tmp_path: Path) -> None:
    net = Net(read_net(path.with_suffix('.prototxt')), TEST)
    with pytest.raises(ValueError, match=r"layer '.*' \(.*\): .* has no ONNX form"):
        export(net, tmp_path / 'm.onnx')
    assert not list(tmp_path.iterdir())


def made(layers: str, *shapes: tuple[int, ...], seed: int = 3) -> Net:
    """Build a TEST net of Input blobs a, b, … of these shapes and the layers."""
    text = ''
    for name, shape in zip('abcdefg', shapes, strict=False):
        dims = ' '.join(f'dim: {n}' for n in shape)
        text += (f'layer {{ name: "{name}" type: "Input" top: "{name}" '
                 f'input_param {{ shape {{ {dims} }} }} }}\n')
    net = Net(parse_net(text + layers), TEST)
    random_weights(net, seed)
    return net


def layer(kind: str, rest: str = '', bottoms: str = 'a', tops: str = 'y') -> str:
    ends = ' '.join([*(f'bottom: "{b}"' for b in bottoms.split()),
                     *(f'top: "{t}"' for t in tops.split())])
    return f'layer {{ name: "{kind.lower()}" type: "{kind}" {ends} {rest} }}\n'


def agree(net: Net, run: Run, *shapes: tuple[int, ...], low: float = -2, high: float = 2,
          whole: bool = False) -> None:
    """Hold ONNX Runtime against our executor for inputs of these shapes (as many as inputs)."""
    random = np.random.RandomState(7)
    arrays = {name: random.uniform(low, high, shape).astype('f')
              for name, shape in zip(net.inputs, shapes, strict=True)}
    if whole:
        arrays = {name: np.floor(a) for name, a in arrays.items()}
    found = run(net, **arrays)
    wanted = net.forward(**arrays)
    for name, value in wanted.items():
        close(found[name], value.numpy(), SAME, f'{name} for {shapes}')


IMAGE = (2, 6, 7, 9)
SIZES = [IMAGE, (1, 6, 5, 11), (3, 6, 16, 8)]
ONE_BOTTOM = {
    'power_all': layer('Power', 'power_param { power: 2 scale: 0.5 shift: 3 }'),
    'power_constant': layer('Power', 'power_param { power: 0 shift: 3 }'),
    'power_nothing': layer('Power'),
    'padding': layer('Padding', 'padding_param { pad_beg: 2 pad_end: 1 }'),
    'padding_cut': layer('Padding', 'padding_param { pad_beg: -2 pad_end: -1 }'),
    'padding_none': layer('Padding'),
    'exp_shift': layer('Exp', 'exp_param { base: 2 scale: 0.5 shift: 1 }'),
    'exp': layer('Exp'),
    'swish_beta': layer('Swish', 'swish_param { beta: 1.5 }'),
    'elu': layer('ELU', 'elu_param { alpha: 0.3 }'),
    'clip_crossed': layer('Clip', 'clip_param { min: 1 max: -1 }'),
    'bnll': layer('BNLL'),
    'mvn_mean': layer('MVN', 'mvn_param { normalize_variance: false }'),
    'mvn_across': layer('MVN', 'mvn_param { across_channels: true }'),
    'batch_norm': layer('BatchNorm'),
    'batch_norm_of_batch': layer('BatchNorm', 'batch_norm_param { use_global_stats: false }'),
    'scale_uniform': layer('Scale', 'scale_param { filler { value: 0.01 } bias_term: true }'),
    'scale_all': layer('Scale', 'scale_param { num_axes: 0 filler { value: 2 } }'),
    'bias_channels': layer('Bias', 'bias_param { filler { type: "uniform" min: -1 max: 1 } }'),
    'prelu': layer('PReLU', 'prelu_param { filler { type: "uniform" min: 0.1 max: 1 } }'),
    'lrn_k': layer('LRN', 'lrn_param { local_size: 3 alpha: 2 beta: 0.5 k: 4 }'),
    'lrn_within': layer('LRN', 'lrn_param { local_size: 3 alpha: 2 norm_region: WITHIN_CHANNEL }'),
    'argmax_channels': layer('ArgMax', 'argmax_param { axis: 1 }'),
    'argmax_values': layer('ArgMax', 'argmax_param { axis: 1 top_k: 3 out_max_val: true }'),
    'argmax_three': layer('ArgMax', 'argmax_param { axis: 1 top_k: 3 }'),
    'argmax_rows': layer('ArgMax', 'argmax_param { axis: -2 }'),
    'argmax_all': layer('ArgMax', 'argmax_param { top_k: 4 }'),
    'argmax_all_pairs': layer('ArgMax', 'argmax_param { out_max_val: true }'),
    'softmax_rows': layer('Softmax', 'softmax_param { axis: 2 }'),
    'slice_concat': (layer('Slice', 'slice_param { slice_point: 1 slice_point: 4 }', tops='p q r')
                     + layer('Concat', '', 'r p q')),
    'concat_one': layer('Concat'),
    'flatten': layer('Flatten'),
    'flatten_front': layer('Flatten', 'flatten_param { axis: 0 end_axis: 1 }'),
    'flatten_image': layer('Flatten', 'flatten_param { axis: 2 }'),
    'reshape': layer('Reshape', 'reshape_param { shape { dim: 0 dim: 3 dim: 2 dim: -1 } }'),
    'reshape_in': layer('Reshape', 'reshape_param { axis: 1 num_axes: 1 '
                        'shape { dim: 2 dim: 3 } }'),
    'tile': layer('Tile', 'tile_param { axis: 1 tiles: 3 }'),
    'reduction': layer('Reduction', 'reduction_param { axis: 1 operation: MEAN coeff: 3 }'),
    'reduction_all': layer('Reduction', 'reduction_param { operation: ASUM }'),
    'conv_tall': layer('Convolution', 'convolution_param { num_output: 4 kernel_h: 3 kernel_w: 1 '
                       'stride_h: 2 stride_w: 1 pad_h: 2 pad_w: 0 group: 2 }'),
    'conv_dilated': layer('Convolution', 'convolution_param { num_output: 2 kernel_size: 2 '
                          'dilation: 3 }'),
    'deconv_group': layer('Deconvolution', 'convolution_param { num_output: 6 kernel_size: 4 '
                          'stride: 2 group: 6 bias_term: false }'),
    'deconv_dilated': layer('Deconvolution', 'convolution_param { num_output: 2 kernel_size: 3 '
                            'stride: 2 pad: 1 dilation: 2 }'),
    'deconv_own_channels': layer('Deconvolution', 'convolution_param { num_output: 6 '
                                 'kernel_size: 4 stride: 2 bias_term: false }').replace(
                                     '"deconvolution"', '"upscore"'),
    'interp_zoom': layer('Interp', 'interp_param { zoom_factor: 3 }'),
    'interp_shrink': layer('Interp', 'interp_param { shrink_factor: 2 zoom_factor: 3 pad_beg: -1 '
                           'pad_end: -1 }'),
    'interp_fixed': layer('Interp', 'interp_param { height: 8 width: 13 pad_end: -1 }'),
    'pool_global': layer('Pooling', 'pooling_param { global_pooling: true }'),
    'pool_global_average': layer('Pooling', 'pooling_param { pool: AVE global_pooling: true }'),
    'pool_places': layer('Pooling', 'pooling_param { kernel_size: 3 stride: 2 pad: 1 }',
                         tops='y place'),
    'dropped': layer('Dropout') + layer('TanH', tops='t') + layer('Silence', '', 't', ''),
    'in_place_chain': (layer('ReLU', tops='y') + layer('Power', 'power_param { shift: -1 }', 'y')
                       + layer('Dropout', '', 'y') + layer('Sigmoid', '', 'y')),
    'two_readers': layer('TanH', tops='t') + layer('Eltwise', '', 't t') + layer('AbsVal', '', 't',
                                                                                 'z'),
}


@pytest.mark.parametrize('text', ONE_BOTTOM.values(), ids=ONE_BOTTOM)
def test_one_bottom_at_several_sizes(text: str, run: Run) -> None:
    net = made(text, IMAGE)
    for shape in SIZES:
        agree(net, run, shape)


def test_positive_inputs(run: Run) -> None:
    net = made(layer('Log', 'log_param { base: 10 scale: 2 shift: 1 }') + layer(
        'Pooling', 'pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2 }', tops='p'), IMAGE)
    for shape in SIZES:
        agree(net, run, shape, low=0.1)


TWO_BOTTOMS = {
    'max': layer('Eltwise', 'eltwise_param { operation: MAX }', 'a b a'),
    'product': layer('Eltwise', 'eltwise_param { operation: PROD }', 'a b a'),
    'product_in_place': layer('Eltwise', 'eltwise_param { operation: PROD }', 'a b', 'a'),
    'sum': layer('Eltwise', '', 'a b a'),
    'coefficients': layer('Eltwise', 'eltwise_param { coeff: 1 coeff: -0.3 }', 'a b'),
    'halves': layer('Eltwise', 'eltwise_param { coeff: 0.5 coeff: 0.5 }', 'a b'),
    'rows': layer('Concat', 'concat_param { axis: 2 }', 'a b'),
}


@pytest.mark.parametrize('text', TWO_BOTTOMS.values(), ids=TWO_BOTTOMS)
def test_two_equal_bottoms(text: str, run: Run) -> None:
    net = made(text, IMAGE, IMAGE)
    for shape in SIZES:
        agree(net, run, shape, shape)


def test_second_bottom_as_operand(run: Run) -> None:
    net = made(layer('Scale', 'scale_param { axis: 0 bias_term: true bias_filler { value: 2 } }',
                     'a b') + layer('Bias', 'bias_param { axis: 0 }', 'a b', 'z'),
               (2, 6, 7, 9), (2, 6))
    agree(net, run, (2, 6, 7, 9), (2, 6))
    agree(net, run, (2, 6, 3, 4), (2, 6))


@pytest.mark.parametrize('param', [
    'crop_param { offset: 3 }', 'crop_param { axis: 1 offset: 2 offset: 1 offset: 0 }',
    'crop_param { axis: 3 offset: 2 }', 'crop_param { axis: 1 }', ''])
def test_crop_follows_the_second_bottom(param: str, run: Run) -> None:
    net = made(layer('Crop', param, 'a b'), (2, 6, 20, 24), (2, 4, 8, 9))
    agree(net, run, (2, 6, 20, 24), (2, 4, 8, 9))
    agree(net, run, (1, 6, 12, 13), (1, 4, 9, 10))


def test_crop_of_static_sizes_has_no_shape_node(tmp_path: Path, run: Run) -> None:
    fixed = layer('Reshape', 'reshape_param { shape { dim: 2 dim: 6 dim: 7 dim: 9 } }', tops='r')
    net = made(fixed + layer('Crop', 'crop_param { offset: 1 }', 'r b'), IMAGE, (2, 1, 4, 5))
    agree(net, run, IMAGE, (2, 1, 4, 5))


def test_inner_product_fixes_the_image_and_frees_the_batch(run: Run) -> None:
    net = made(layer('InnerProduct', 'inner_product_param { num_output: 5 }')
               + layer('InnerProduct', 'inner_product_param { num_output: 3 axis: 3 }', tops='z')
               + layer('InnerProduct', 'inner_product_param { num_output: 3 axis: 2 '
                       'bias_term: false transpose: true }', tops='w'), IMAGE)
    agree(net, run, IMAGE)
    agree(net, run, (5, *IMAGE[1:]))


def test_indices(run: Run) -> None:
    net = made(layer('Embed', 'embed_param { num_output: 4 input_dim: 9 }')
               + layer('Embed', 'embed_param { num_output: 4 input_dim: 9 bias_term: false }',
                       tops='z').replace('"embed"', '"plain"')
               + layer('BatchReindex', '', 'z a', 'w'), (7,))
    agree(net, run, (7,), low=0, high=7, whole=True)
    agree(net, run, (9,), low=0, high=7, whole=True)


def test_learnt_blob(run: Run) -> None:
    net = made(layer('Parameter', 'parameter_param { shape { dim: 6 } }', '', 'p')
               + layer('Scale', 'scale_param { axis: 1 }', 'a p'), IMAGE)
    net.params['parameter'][0].arrays('data')[...] = np.arange(6)
    for shape in SIZES:
        agree(net, run, shape)


def test_spp_of_a_fixed_image(run: Run, tmp_path: Path) -> None:
    text = layer('SPP', 'spp_param { pyramid_height: 2 }')
    with pytest.raises(ValueError, match='free image sizes'):
        export(made(text, IMAGE), tmp_path / 'm.onnx')
    fixed = layer('Reshape', 'reshape_param { shape { dim: 0 dim: 6 dim: 7 dim: 9 } }',
                  tops='r') + text.replace('bottom: "a"', 'bottom: "r"')
    agree(made(fixed, IMAGE), run, IMAGE)


def test_unknown_form_names_layer_and_place(tmp_path: Path) -> None:
    net = made(layer('Im2col', 'convolution_param { kernel_size: 3 }'), IMAGE)
    with pytest.raises(ValueError, match=r"layer 'im2col' \(Im2col\): Im2col has no ONNX form"):
        export(net, tmp_path / 'm.onnx')


WITHOUT = {
    'Accuracy', 'ContrastiveLoss', 'EuclideanLoss', 'HingeLoss', 'InfogainLoss',
    'MultinomialLogisticLoss', 'SigmoidCrossEntropyLoss', 'SoftmaxWithLoss',      # training
    'Data', 'DummyData', 'HDF5Data', 'HDF5Output', 'ImageData', 'MemoryData', 'Python',
    'WindowData', 'ImageSegData', 'MatRead', 'MatWrite',                          # the outside
    'AdaptiveBiasChannel', 'BiasChannel', 'SegAccuracy', 'UniqueLabel',           # DeepLab's
    'DenseCRF',                                                                   # a lattice
    'Filter', 'Im2col', 'LSTM', 'LSTMUnit', 'RNN'}


def test_every_type_that_makes_sense_has_a_form() -> None:
    from port.engine.layer import Layer
    from port.engine.registry import layer_class
    without = {name for name in known_types() if layer_class(name).onnx is Layer.onnx}
    assert without <= WITHOUT
