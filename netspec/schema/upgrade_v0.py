"""V0 nets, `layers { layer { ... } }`, into V1: what Caffe's upgrade_proto.cpp does first.

In V0 every option of every type stood in one flat message, and padding was a layer of its own.
"""

import logging

from google.protobuf.message import Message

from netspec.schema.lexer import closest
from netspec.schema.messages import NetParameter, V0LayerParameter, V1LayerParameter

log = logging.getLogger(__name__)

V1_TYPES = {
    'accuracy': 'ACCURACY', 'bnll': 'BNLL', 'concat': 'CONCAT', 'conv': 'CONVOLUTION',
    'data': 'DATA', 'dropout': 'DROPOUT', 'euclidean_loss': 'EUCLIDEAN_LOSS',
    'flatten': 'FLATTEN', 'hdf5_data': 'HDF5_DATA', 'hdf5_output': 'HDF5_OUTPUT',
    'im2col': 'IM2COL', 'images': 'IMAGE_DATA', 'infogain_loss': 'INFOGAIN_LOSS',
    'innerproduct': 'INNER_PRODUCT', 'lrn': 'LRN',
    'multinomial_logistic_loss': 'MULTINOMIAL_LOGISTIC_LOSS', 'pool': 'POOLING', 'relu': 'RELU',
    'sigmoid': 'SIGMOID', 'softmax': 'SOFTMAX', 'softmax_loss': 'SOFTMAX_LOSS', 'split': 'SPLIT',
    'tanh': 'TANH', 'window_data': 'WINDOW_DATA'}

_CONV, _INNER, _POOL = 'convolution_param', 'inner_product_param', 'pooling_param'
_WEIGHTED = {'conv': _CONV, 'innerproduct': _INNER}
_SIZED = {'conv': _CONV, 'pool': _POOL}
_DATA, _IMAGES, _WINDOW = 'data_param', 'image_data_param', 'window_data_param'
_BATCHED = {'data': _DATA, 'hdf5_data': 'hdf5_data_param', 'images': _IMAGES,
            'window_data': _WINDOW}
# V0 field: its name in V1, and the message it moves into by layer type; '' stands for every type
MOVES: dict[str, tuple[str, dict[str, str]]] = {
    'num_output': ('num_output', _WEIGHTED),
    'biasterm': ('bias_term', _WEIGHTED),
    'weight_filler': ('weight_filler', _WEIGHTED),
    'bias_filler': ('bias_filler', _WEIGHTED),
    'pad': ('pad', _SIZED),
    'kernelsize': ('kernel_size', _SIZED),
    'group': ('group', {'conv': _CONV}),
    'stride': ('stride', _SIZED),
    'pool': ('pool', {'pool': _POOL}),
    'dropout_ratio': ('dropout_ratio', {'dropout': 'dropout_param'}),
    'local_size': ('local_size', {'lrn': 'lrn_param'}),
    'alpha': ('alpha', {'lrn': 'lrn_param'}),
    'beta': ('beta', {'lrn': 'lrn_param'}),
    'k': ('k', {'lrn': 'lrn_param'}),
    'source': ('source', {**_BATCHED, 'infogain_loss': 'infogain_loss_param'}),
    'scale': ('scale', {'': 'transform_param'}),
    'meanfile': ('mean_file', {'': 'transform_param'}),
    'batchsize': ('batch_size', _BATCHED),
    'cropsize': ('crop_size', {'': 'transform_param'}),
    'mirror': ('mirror', {'': 'transform_param'}),
    'rand_skip': ('rand_skip', {'data': _DATA, 'images': _IMAGES}),
    'shuffle_images': ('shuffle', {'images': _IMAGES}),
    'new_height': ('new_height', {'images': _IMAGES}),
    'new_width': ('new_width', {'images': _IMAGES}),
    'concat_dim': ('concat_dim', {'concat': 'concat_param'}),
    'det_fg_threshold': ('fg_threshold', {'window_data': _WINDOW}),
    'det_bg_threshold': ('bg_threshold', {'window_data': _WINDOW}),
    'det_fg_fraction': ('fg_fraction', {'window_data': _WINDOW}),
    'det_context_pad': ('context_pad', {'window_data': _WINDOW}),
    'det_crop_mode': ('crop_mode', {'window_data': _WINDOW}),
}
_KEPT_OF_NET = ('name', 'layers', 'input', 'input_dim', 'force_backward')


class LayerRefused(ValueError):
    """A layer that cannot be upgraded; `index` is its place in the net."""

    def __init__(self, index: int, what: str) -> None:
        super().__init__(what)
        self.index = index


def needs_v0(net: NetParameter) -> bool:
    """Tell whether any layer of the net is in the V0 form."""
    return any(layer.HasField('layer') for layer in net.layers)


def upgrade_v0(net: NetParameter, lines: list[int] | None = None) -> None:
    """Rewrite the V0 layers as V1 layers, in place; `lines` loses the entries of padding layers."""
    kept = _merge_padding(net)
    upgraded = [_v1_layer(net.layers[index], index) for index in kept]
    del net.layers[:]
    net.layers.extend(upgraded)
    if lines:
        lines[:] = [lines[index] for index in kept]
    for field, _ in net.ListFields():
        if field.name not in _KEPT_OF_NET:
            log.warning('the V0 upgrade drops the field %r of the net, as Caffe does', field.name)
            net.ClearField(field.name)


def _merge_padding(net: NetParameter) -> list[int]:
    """Move each padding layer's pad into the layers that read it; return who is left, by index."""
    producer = dict.fromkeys(net.input)  # blob: the layer that makes it last, None for an input
    for i, layer in enumerate(net.layers):
        for j, blob in enumerate(layer.bottom):
            if blob not in producer:
                raise LayerRefused(i, f'layer {layer.layer.name!r}: bottom {blob!r} is made by no '
                                   'layer before it and is no input of the net; rename or add it')
            source = producer[blob]
            if source is not None and source.layer.type == 'padding':
                _check_padding(i, layer, source)
                layer.layer.pad = source.layer.pad
                layer.bottom[j] = source.bottom[0]
        producer.update(dict.fromkeys(layer.top, layer))
    return [i for i, layer in enumerate(net.layers) if layer.layer.type != 'padding']


def _check_padding(index: int, layer: V1LayerParameter, source: V1LayerParameter) -> None:
    name, pad = layer.layer.name, source.layer.name
    if layer.layer.type not in ('conv', 'pool'):
        raise LayerRefused(index, f'layer {name!r} of type {layer.layer.type!r} reads the padding '
                           f'layer {pad!r}; expected a conv or a pool layer')
    for which, of, blobs in ((name, 'bottom', layer.bottom), (pad, 'bottom', source.bottom),
                             (pad, 'top', source.top)):
        if len(blobs) != 1:
            raise LayerRefused(index, f'layer {which!r} has {len(blobs)} {of}s; expected 1 where '
                               'a padding layer is merged')


def _v1_layer(old: V1LayerParameter, index: int) -> V1LayerParameter:
    """Return the V1 layer of a V0 layer; options that its type lacks are logged and dropped."""
    if not old.HasField('layer'):
        raise LayerRefused(index, f'layer {old.name!r} has no inner `layer {{ }}` though others of '
                           'its net have; a net is all V0 or all V1: rewrite the one or the others')
    v0, new = old.layer, V1LayerParameter(bottom=old.bottom, top=old.top)
    if v0.HasField('name'):
        new.name = v0.name
    if v0.HasField('type'):
        new.type = V1LayerParameter.LayerType.Value(_v1_type(v0, index))
    for name in ('blobs', 'blobs_lr', 'weight_decay'):
        getattr(new, name).extend(getattr(v0, name))
    if v0.HasField('hdf5_output_param'):
        _output(v0, new)
    for field, value in v0.ListFields():
        if field.name in MOVES:
            _move(field.name, value, v0, new)
    return new


def _v1_type(v0: V0LayerParameter, index: int) -> str:
    if v0.type not in V1_TYPES:
        meant = closest(v0.type, list(V1_TYPES))
        raise LayerRefused(index, f'layer {v0.name!r}: unknown V0 layer type {v0.type!r}; expected '
                           f'one of {", ".join(V1_TYPES)}'
                           + (f'; did you mean {meant!r}?' if meant else ''))
    return V1_TYPES[v0.type]


def _move(name: str, value: object, v0: V0LayerParameter, new: V1LayerParameter) -> None:
    """Set one V0 option in the V1 message of the layer's type."""
    target, owners = MOVES[name]
    owner = owners.get('') or owners.get(v0.type)
    if not owner:
        _drop(name, v0)
        return
    message = getattr(new, owner)
    current = getattr(message, target)
    if isinstance(value, Message):
        current.CopyFrom(value)
    elif owner == _CONV and target in ('pad', 'kernel_size', 'stride'):
        current.append(value)
    else:
        setattr(message, target, value)


def _output(v0: V0LayerParameter, new: V1LayerParameter) -> None:
    if v0.type == 'hdf5_output':
        new.hdf5_output_param.CopyFrom(v0.hdf5_output_param)
    else:
        _drop('hdf5_output_param', v0)


def _drop(name: str, v0: V0LayerParameter) -> None:
    log.warning('layer %r: a V0 layer of type %r has no %s; dropped, as Caffe does',
                v0.name, v0.type, name)
