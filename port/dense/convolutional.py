"""Any classifier's net made fully convolutional (FCN, PAMI 2017, sections 3.1 and 4.1).

An InnerProduct over C x H x W is a Convolution whose kernel is H x W; those behind it are 1 x 1.
What pools over everything becomes a window of that size that moves by one. The parameters stay as
many, and keep their values; only their shapes change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from netspec.layer_shapes import Shape
from netspec.layer_types import LAYER_TYPES, top_shapes
from netspec.schema.messages import (
    TEST,
    LayerParameter,
    NetParameter,
    PoolingParameter,
)
from port.engine.net import load_net
from port.engine.net_rules import Entry, filter_layers
from surgery import Weights

Size = tuple[int, int]
# What computes each place of its top from places of its bottom, whatever the size is.
LOCAL = {'weights', 'norm', 'pool', 'up', 'join', 'neuron'}
LOCAL_TYPES = {'Softmax', 'Split', 'Slice', 'Interp', 'Padding', 'ArgMax', 'BN', 'LRN'}
WHOLE_IMAGE = {'MVN'}       # of the kinds above, but its statistics are the image's
LABELLED = {'loss'}
MEASURES = {'Accuracy', 'SegAccuracy', 'Silence'}


@dataclass
class Convolutional:
    """A convolutional net, and what was done to the classifier.

    kernels: the InnerProducts that became Convolutions, with their kernels. pools: the poolings
    over everything that became windows, with their sizes. dropped: layers left out.
    """

    net: NetParameter
    size: Size
    kernels: dict[str, Size] = field(default_factory=dict)
    pools: dict[str, Size] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    transposed: set[str] = field(default_factory=set)
    features: str = ''          # the top that the classifier read
    classifier: str = ''        # the layer that gave the classes

    def weights(self, old: Mapping[str, Sequence[np.ndarray]]) -> Weights:
        """Return the classifier's weights in the shapes of this net; no value changes.

        Raises ValueError where a weight does not have as many values as its kernel takes.
        """
        names = {layer.name for layer in self.net.layer}
        new = Weights()
        for layer, blobs in old.items():
            if layer in names:
                new[layer] = [self._reshaped(layer, i, blob) for i, blob in enumerate(blobs)]
        return new

    def _reshaped(self, layer: str, index: int, blob: np.ndarray) -> np.ndarray:
        if layer not in self.kernels:
            return blob
        if index:
            return blob.reshape(-1)
        high, wide = self.kernels[layer]
        flat = blob.reshape(blob.shape[-2:]) if blob.ndim > 2 else blob
        flat = flat.T if layer in self.transposed else flat
        if flat.shape[1] % (high * wide):
            raise ValueError(f'layer {layer!r}: a weight of {list(blob.shape)} does not fit its '
                             f'kernel of {high} x {wide}; are they weights of this net?')
        return np.ascontiguousarray(flat.reshape(len(flat), -1, high, wide))


def convolutionalize(source: NetParameter | str | Path, size: Size | None = None,
                     drop_pool: bool = False) -> Convolutional:
    """Return a classifier's deploy or train_val net as a fully convolutional one.

    size: of the images that it classifies, height and width, where the file does not state it.
    drop_pool: leave out poolings over everything instead of letting them move by one.
    Raises ValueError naming the layer where a net has no classifier or no size, or where a layer
    looks at the whole image in another way.
    """
    net, entries = load_net(source)
    net.state.phase = TEST
    entries = filter_layers(net, entries)
    entries, shape = _with_input(entries, size)
    last = _classifier(entries)
    entries = _ancestors_and_readers(entries, last)
    done = Convolutional(NetParameter(name=net.name), (shape[2], shape[3]))
    _Conversion(done, drop_pool, last).run(entries)
    if not done.kernels and not done.pools and last.param.type != 'Convolution':
        raise ValueError(f'{last.label}: is no classifier; nothing to make convolutional')
    return done


def _with_input(entries: list[Entry], size: Size | None) -> tuple[list[Entry], tuple[int, ...]]:
    """Return the layers with one Input for the images in the place of data layers, and its shape.
    """
    readers = [e for e in entries if not e.param.bottom and e.param.top]
    if not readers:
        first = entries[0] if entries else None
        raise ValueError(f'{first.label}: reads {", ".join(first.param.bottom)}, which nothing '
                         'gives: write the shape of the input, as input_shape { dim: … }'
                         if first else 'the net is empty')
    first = readers[0]
    known = top_shapes(first.param, [])[0] or ()
    if len(known) not in (0, 4):
        raise ValueError(f'{first.label}: gives {list(known)}; expected images, N x C x H x W')
    channels = known[1] if known and known[1] is not None else 3
    high, wide = size or _stated_size(first, known)
    layer = LayerParameter(name=first.param.top[0] if first.param.type != 'Input'
                           else first.param.name, type='Input', top=[first.param.top[0]])
    layer.input_param.shape.add(dim=[1, channels, high, wide])
    rest = [e for e in entries if e not in readers]
    return [Entry(layer, first.where), *rest], (1, channels, high, wide)


def _stated_size(entry: Entry, shape: Sequence[int | None]) -> Size:
    """Return height and width of the images that the classifier takes."""
    if len(shape) == 4 and shape[2] and shape[3]:
        return shape[2], shape[3]
    crop = entry.param.transform_param.crop_size or entry.param.data_param.crop_size
    if not crop:
        raise ValueError(f'{entry.label}: does not state the size of the images that the net '
                         'classifies (no crop_size); give it, as --size 224x224')
    return crop, crop


def _classifier(entries: list[Entry]) -> Entry:
    """Return the layer that gives the classes: the last InnerProduct, else the last Convolution.

    Raises ValueError where the net ends in maps of many places, as one that is convolutional does.
    """
    for kind in ('InnerProduct', 'Convolution'):
        found = [e for e in entries if e.param.type == kind]
        if found:
            return found[-1]
    last = entries[-1].label if entries else 'it is empty'
    raise ValueError(f'{last}: ends a net that has no InnerProduct and no Convolution, so no '
                     'classifier')


def _ancestors_and_readers(entries: list[Entry], last: Entry) -> list[Entry]:
    """Return what the classifier is made of, and what is made of it without labels."""
    at = entries.index(last)
    wanted = set(last.param.bottom)
    before: list[Entry] = []
    after: list[Entry] = []
    for entry in reversed(entries[:at]):
        if wanted & set(entry.param.top):
            wanted |= set(entry.param.bottom)
            before.append(entry)
    made = {top for entry in (*before, last) for top in entry.param.top}
    for entry in entries[at + 1:]:
        kind = LAYER_TYPES[entry.param.type].kind if entry.param.type in LAYER_TYPES else ''
        if kind in LABELLED or entry.param.type in MEASURES:
            continue
        if set(entry.param.bottom) <= made and set(entry.param.bottom) & _descendants(after, last):
            after.append(entry)
            made |= set(entry.param.top)
    return [*reversed(before), last, *after]


def _descendants(after: list[Entry], last: Entry) -> set[str]:
    return {top for entry in (last, *after) for top in entry.param.top}


def _sides(shape: Shape) -> Size:
    """Return height and width of N x C x H x W; ValueError where they are open."""
    high, wide = shape[2:]
    if high is None or wide is None:
        raise ValueError(f'reads {list(shape)}, whose size is open; give the size of the images')
    return high, wide


class _Conversion:
    """The walk over a classifier's layers, with the shapes that it has on images of its size.

    What is flat there counts as C x 1 x 1; where a pooling is left out, its top's shape stays
    1 x 1, for it is the kernel of what reads it.
    """

    def __init__(self, done: Convolutional, drop_pool: bool, last: Entry) -> None:
        self.done, self.drop_pool, self.last = done, drop_pool, last
        self.shapes: dict[str, Shape] = {}
        self.stands_for: dict[str, str] = {}       # tops of layers left out -> what they read

    def run(self, entries: list[Entry]) -> None:
        """Convert layer after layer into `done`."""
        for entry in entries:
            layer = LayerParameter()
            layer.CopyFrom(entry.param)
            shapes = [self.shapes[name] for name in layer.bottom]
            bottoms = [self.stands_for.get(name, name) for name in layer.bottom]
            del layer.bottom[:]
            layer.bottom.extend(bottoms)
            if entry is self.last:
                self.done.features, self.done.classifier = bottoms[0], layer.name
            try:
                self._convert(layer, shapes)
            except ValueError as error:
                raise ValueError(f'{entry.label}: {error}') from None

    def _convert(self, layer: LayerParameter, bottoms: list[Shape]) -> None:
        if layer.type == 'InnerProduct':
            self._window_of_all(layer, bottoms[0])
        elif layer.type in ('Flatten', 'Reshape'):
            return self._leave_out_flattening(layer, bottoms[0])
        elif layer.type == 'Pooling' and self._pools_all(layer, bottoms[0]):
            if self.drop_pool:
                return self._leave_out(layer, (*bottoms[0][:2], 1, 1))
            self._stride_one(layer, bottoms[0])
        elif layer.type != 'Input' and (layer.type in WHOLE_IMAGE or (
                LAYER_TYPES[layer.type].kind not in LOCAL and layer.type not in LOCAL_TYPES)):
            raise ValueError('looks at the whole image, or at no image: such a net cannot be made '
                             'convolutional')
        for top, shape in zip(layer.top, top_shapes(layer, bottoms), strict=False):
            self.stands_for.pop(top, None)        # in place on what was left out: its own blob
            self.shapes[top] = shape or ()
        self.done.net.layer.append(layer)

    def _window_of_all(self, layer: LayerParameter, shape: Shape) -> None:
        """Turn an InnerProduct into the Convolution whose window is its whole bottom."""
        given = layer.inner_product_param
        if given.axis not in (1, -3) or len(shape) != 4:
            raise ValueError(f'an InnerProduct from axis {given.axis} of {list(shape)} on; '
                             'expected axis 1 of N x C x H x W')
        high, wide = _sides(shape)
        conv = layer.convolution_param
        conv.num_output = given.num_output
        if not given.bias_term:
            conv.bias_term = False
        if high == wide:
            conv.kernel_size.append(high)
        else:
            conv.kernel_h, conv.kernel_w = high, wide
        for filler in ('weight_filler', 'bias_filler'):
            if given.HasField(filler):
                getattr(conv, filler).CopyFrom(getattr(given, filler))
        if given.transpose:
            self.done.transposed.add(layer.name)
        self.done.kernels[layer.name] = (high, wide)
        layer.type = 'Convolution'
        layer.ClearField('inner_product_param')

    def _leave_out_flattening(self, layer: LayerParameter, shape: Shape) -> None:
        """Leave out what lays C x H x W flat for an InnerProduct; refuse other changes of axes."""
        found = top_shapes(layer, [shape])[0]
        rest = [n for n in found[2:] if n != 1] if found else [0]
        if found is None or found[0] != shape[0] or rest:
            raise ValueError(f'turns {list(shape)} into {list(found or ())}: such a net cannot be '
                             'made convolutional')
        self._leave_out(layer, shape)

    def _leave_out(self, layer: LayerParameter, shape: Shape) -> None:
        self.stands_for[layer.top[0]], self.shapes[layer.top[0]] = layer.bottom[0], shape
        self.done.dropped.append(layer.name)

    @staticmethod
    def _pools_all(layer: LayerParameter, shape: Shape) -> bool:
        """Whether a pooling's top is one place though its bottom is more."""
        top = top_shapes(layer, [shape])[0]
        return top is not None and tuple(top[2:]) == (1, 1) and tuple(shape[2:]) != (1, 1)

    def _stride_one(self, layer: LayerParameter, shape: Shape) -> None:
        """Let a pooling over everything be a window of that size that moves by one."""
        pool, size = layer.pooling_param, _sides(shape)
        kept = PoolingParameter(pool=pool.pool, stride=1)
        if size[0] == size[1]:
            kept.kernel_size = size[0]
        else:
            kept.kernel_h, kept.kernel_w = size
        layer.pooling_param.CopyFrom(kept)
        self.done.pools[layer.name] = size
