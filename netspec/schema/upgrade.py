"""Brings old nets and solvers into the present format, as Caffe's upgrade_proto.cpp does.

The order is Caffe's: V0 to V1, data transforms, V1 to V2, inputs, BatchNorm. Then come the fields
that DeepLab's first fork wrote in another way than its second: the `hole` of a convolution.
Everything is changed in place.
"""

from pathlib import Path

from netspec.schema.messages import (
    BlobShape,
    LayerParameter,
    NetParameter,
    SolverParameter,
    V1LayerParameter,
)
from netspec.schema.upgrade_v0 import LayerRefused, needs_v0, upgrade_v0

# The types that DeepLab's first fork added to V1.
DEEPLAB_TYPES = {
    'IMAGE_SEG_DATA': 'ImageSegData', 'SEG_ACCURACY': 'SegAccuracy', 'INTERP': 'Interp',
    'PADDING': 'Padding', 'MAT_WRITE': 'MatWrite', 'MAT_READ': 'MatRead', 'DENSE_CRF': 'DenseCRF',
    'BIAS_CHANNEL': 'BiasChannel', 'UNIQUE_LABEL': 'UniqueLabel',
    'ADAPTIVE_BIAS_CHANNEL': 'AdaptiveBiasChannel'}
V2_TYPES = {
    'NONE': '', 'ABSVAL': 'AbsVal', 'ACCURACY': 'Accuracy', 'ARGMAX': 'ArgMax', 'BNLL': 'BNLL',
    'CONCAT': 'Concat', 'CONTRASTIVE_LOSS': 'ContrastiveLoss', 'CONVOLUTION': 'Convolution',
    'DATA': 'Data', 'DECONVOLUTION': 'Deconvolution', 'DROPOUT': 'Dropout',
    'DUMMY_DATA': 'DummyData', 'EUCLIDEAN_LOSS': 'EuclideanLoss', 'ELTWISE': 'Eltwise',
    'EXP': 'Exp', 'FLATTEN': 'Flatten', 'HDF5_DATA': 'HDF5Data', 'HDF5_OUTPUT': 'HDF5Output',
    'HINGE_LOSS': 'HingeLoss', 'IM2COL': 'Im2col', 'IMAGE_DATA': 'ImageData',
    'INFOGAIN_LOSS': 'InfogainLoss', 'INNER_PRODUCT': 'InnerProduct', 'LRN': 'LRN',
    'MEMORY_DATA': 'MemoryData', 'MULTINOMIAL_LOGISTIC_LOSS': 'MultinomialLogisticLoss',
    'MVN': 'MVN', 'POOLING': 'Pooling', 'POWER': 'Power', 'RELU': 'ReLU', 'SIGMOID': 'Sigmoid',
    'SIGMOID_CROSS_ENTROPY_LOSS': 'SigmoidCrossEntropyLoss', 'SILENCE': 'Silence',
    'SOFTMAX': 'Softmax', 'SOFTMAX_LOSS': 'SoftmaxWithLoss', 'SPLIT': 'Split', 'SLICE': 'Slice',
    'TANH': 'TanH', 'WINDOW_DATA': 'WindowData', 'THRESHOLD': 'Threshold',
    **DEEPLAB_TYPES}
SOLVER_TYPES = {'SGD': 'SGD', 'NESTEROV': 'Nesterov', 'ADAGRAD': 'AdaGrad', 'RMSPROP': 'RMSProp',
                'ADADELTA': 'AdaDelta', 'ADAM': 'Adam'}

_TRANSFORMED = {V1LayerParameter.DATA: 'data_param',
                V1LayerParameter.IMAGE_DATA: 'image_data_param',
                V1LayerParameter.WINDOW_DATA: 'window_data_param'}
_TRANSFORMS = ('scale', 'mean_file', 'crop_size', 'mirror')
_HOLES = ('hole', 'hole_h', 'hole_w')
# V1 field: the field of ParamSpec that its i-th entry goes into
_PER_PARAM = {'param': 'name', 'blob_share_mode': 'share_mode', 'blobs_lr': 'lr_mult',
              'weight_decay': 'decay_mult'}
# strict_dim: false let DeepLab's fork copy weights of another shape with as many numbers, as Caffe
# now does by itself.
_SET_APART = {*_PER_PARAM, 'type', 'layer', 'strict_dim', 'softmaxloss_param'}


def upgrade_net(net: NetParameter, lines: list[int] | None = None) -> NetParameter:
    """Bring a net to the present format, in place, and return it.

    `lines`, one entry per layer, is kept in step; an Input layer made here gets 0. Raises
    ValueError where Caffe refuses.
    """
    for needed, upgrade in ((needs_v0, upgrade_v0), (needs_data, upgrade_data),
                            (needs_v1, upgrade_v1), (needs_input, upgrade_input),
                            (needs_batch_norm, upgrade_batch_norm), (needs_hole, upgrade_hole)):
        if needed(net):
            upgrade(net, lines)
    return net


def net_needs_upgrade(net: NetParameter) -> bool:
    """Tell whether upgrade_net would change the net."""
    return (needs_v0(net) or needs_data(net) or needs_v1(net) or needs_input(net)
            or needs_batch_norm(net) or needs_hole(net))


def needs_data(net: NetParameter) -> bool:
    """Tell whether a V1 data layer holds transformations that belong into transform_param."""
    return any(layer.type in _TRANSFORMED
               and any(getattr(layer, _TRANSFORMED[layer.type]).HasField(name)
                       for name in _TRANSFORMS)
               for layer in net.layers)


def upgrade_data(net: NetParameter, lines: list[int] | None = None) -> None:
    """Move scale, mean_file, crop_size and mirror of the V1 data layers into transform_param."""
    for layer in net.layers:
        if layer.type not in _TRANSFORMED:
            continue
        options = getattr(layer, _TRANSFORMED[layer.type])
        options.SetInParent()
        layer.transform_param.SetInParent()
        for name in _TRANSFORMS:
            if options.HasField(name):
                setattr(layer.transform_param, name, getattr(options, name))
                options.ClearField(name)


def needs_v1(net: NetParameter) -> bool:
    """Tell whether the net has layers in the V1 form, `layers { type: CONVOLUTION }`."""
    return len(net.layers) > 0


def upgrade_v1(net: NetParameter, lines: list[int] | None = None) -> None:
    """Rewrite the V1 `layers` as `layer`; a net with both is refused."""
    if net.layer:
        raise ValueError(f"the net has both 'layer' ({net.layer[0].name!r}, ...) and 'layers' "
                         f"({net.layers[0].name!r}, ...); write every one as layer "
                         '{ type: "Convolution" ... }')
    for index, old in enumerate(net.layers):
        _v2_layer(old, net.layer.add())
        if old.HasField('softmaxloss_param'):
            _loss_param(old, net.layer[index])
    net.ClearField('layers')


def _v2_layer(old: V1LayerParameter, new: LayerParameter) -> None:
    """Fill a layer from its V1 form: fields of equal name as they are, the others by table."""
    for field, value in old.ListFields():
        if field.name in _SET_APART:
            continue
        if hasattr(value, 'extend'):
            getattr(new, field.name).extend(value)
        elif field.message_type:
            getattr(new, field.name).CopyFrom(value)
        else:
            setattr(new, field.name, value)
    if old.HasField('type'):
        new.type = V2_TYPES[V1LayerParameter.LayerType.Name(old.type)]
    for source, target in _PER_PARAM.items():
        for i, value in enumerate(getattr(old, source)):
            while len(new.param) <= i:
                new.param.add()
            setattr(new.param[i], target, value)


def _loss_param(old: V1LayerParameter, new: LayerParameter) -> None:
    """Write what DeepLab's first fork had of its own for SOFTMAX_LOSS as a loss_param, if it fits.
    """
    options = old.softmaxloss_param
    if options.weight_source or len(options.ignore_label) > 1:
        new.softmaxloss_param.CopyFrom(options)
        return
    for label in options.ignore_label:
        new.loss_param.ignore_label = label


def needs_input(net: NetParameter) -> bool:
    """Tell whether the net names its inputs in fields instead of an Input layer."""
    return len(net.input) > 0


def upgrade_input(net: NetParameter, lines: list[int] | None = None) -> None:
    """Turn input, input_shape and input_dim into an Input layer; without shapes only drop them."""
    if net.input_shape or net.input_dim:
        shapes = _input_shapes(net)
        layer = LayerParameter(name='input', type='Input', top=net.input)
        layer.input_param.shape.extend(shapes)
        net.layer.insert(0, layer)
        if lines is not None:
            lines.insert(0, 0)
    for name in ('input', 'input_shape', 'input_dim'):
        net.ClearField(name)


def _input_shapes(net: NetParameter) -> list[BlobShape]:
    """Return one shape per input; input_shape comes before input_dim, four of which are a shape."""
    count = len(net.input)
    if net.input_shape:
        if len(net.input_shape) < count:
            raise ValueError(f'the net has {count} input and {len(net.input_shape)} input_shape; '
                             'expected a shape for each')
        return net.input_shape[:count]
    if len(net.input_dim) < 4 * count:
        raise ValueError(f'the net has {count} input and {len(net.input_dim)} input_dim; '
                         'expected four for each')
    return [BlobShape(dim=net.input_dim[4 * i:4 * i + 4]) for i in range(count)]


def needs_batch_norm(net: NetParameter) -> bool:
    """Tell whether a BatchNorm layer declares its three statistics without multipliers of 0."""
    return any(param.lr_mult or param.decay_mult
               for layer in filter(_declares_statistics, net.layer) for param in layer.param)


def upgrade_batch_norm(net: NetParameter, lines: list[int] | None = None) -> None:
    """Fix the running statistics of BatchNorm: multipliers of 0, so that no solver moves them."""
    for layer in filter(_declares_statistics, net.layer):
        for param in layer.param:
            param.lr_mult = param.decay_mult = 0


def _declares_statistics(layer: LayerParameter) -> bool:
    return layer.type == 'BatchNorm' and len(layer.param) == 3


def needs_hole(net: NetParameter) -> bool:
    """Tell whether a convolution names its dilation as DeepLab's first fork did."""
    return any(layer.convolution_param.HasField(name) for layer in net.layer for name in _HOLES)


def upgrade_hole(net: NetParameter, lines: list[int] | None = None) -> None:
    """Turn hole, or hole_h and hole_w, into dilation: the same thing under its later name."""
    for index, layer in enumerate(net.layer):
        options = layer.convolution_param
        given = [name for name in _HOLES if options.HasField(name)]
        if not given:
            continue
        if options.dilation or given not in (['hole'], ['hole_h', 'hole_w']):
            names = ', '.join([*given, *['dilation'] * bool(options.dilation)])
            raise LayerRefused(index, f'layer {layer.name!r} has {names}; expected one of hole, '
                               'hole_h with hole_w, or dilation')
        options.dilation.extend(getattr(options, name) for name in given)
        for name in given:
            options.ClearField(name)


def solver_needs_upgrade(solver: SolverParameter) -> bool:
    """Tell whether the solver names its type by the old enum."""
    return solver.HasField('solver_type')


def upgrade_solver(solver: SolverParameter) -> SolverParameter:
    """Turn the solver_type enum into the type string, in place, and return the solver."""
    if not solver_needs_upgrade(solver):
        return solver
    old = SolverParameter.SolverType.Name(solver.solver_type)
    if solver.HasField('type'):
        raise ValueError(f'the solver has both solver_type ({old}) and type ({solver.type!r}); '
                         'keep type alone')
    solver.type = SOLVER_TYPES[old]
    solver.ClearField('solver_type')
    return solver


def complete_snapshot_prefix(solver: SolverParameter, path: str | Path) -> SolverParameter:
    """Name snapshots after the solver's file if it names none, or a folder, as Caffe does."""
    path = Path(path)
    if not solver.HasField('snapshot_prefix'):
        solver.snapshot_prefix = str(path.with_suffix(''))
    elif Path(solver.snapshot_prefix).is_dir():
        solver.snapshot_prefix = str(Path(solver.snapshot_prefix) / path.stem)
    return solver
