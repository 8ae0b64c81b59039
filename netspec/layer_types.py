"""One row for each layer type: all that may be known of a layer without running it.

Read by the generator (spec, coord_map), by surgery, by the layers themselves (how many blobs they
take, the shapes of their tops), by summary, draw, random weights and the fast engine. The rules
that the rows name lie in layer_shapes, window_shapes, layer_params and layer_coords.
The types are those of Caffe 1.0 and of SegNet's and DeepLab's forks; a new one needs its row here
and its file in port/layers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from netspec import layer_coords as place
from netspec import layer_params as learnt
from netspec import layer_shapes as shape
from netspec import window_shapes as window
from netspec.layer_coords import CoordRule, ReachRule
from netspec.layer_params import ParamRule, ProductRule
from netspec.layer_shapes import MaybeShape, ShapeRule
from netspec.schema.lexer import closest
from netspec.schema.messages import LayerParameter, PoolingParameter

Arity = tuple[int, int | None]


@dataclass(frozen=True)
class LayerType:
    """What is known of a layer type. The defaults are those of a layer that changes each value
    by itself, knows nothing of its neighbours and learns nothing.
    """

    shapes: ShapeRule = shape.same           # of the tops, from the bottoms'
    kind: str = 'other'                       # for pictures: data, weights, norm, pool, up, join …
    bottoms: Arity = (1, 1)                   # fewest and most; None is any number
    tops: Arity = (1, 1)
    same_count: bool = False                  # as many tops as bottoms
    auto_top: bool = False                    # tops that are not named are made (AutoTopBlobs)
    narrowed: Callable[[LayerParameter], tuple[Arity, Arity]] | None = None  # by its options
    coords: CoordRule = place.identity       # where the tops lie on the bottoms
    reach: ReachRule = place.one_place       # how far around its place a value reads
    size_bottom: int | None = None            # the bottom that gives its size only, no values
    pointwise: bool = False                   # with the usual options, a value depends on those
                                              # in its place alone (port.fast checks them)
    copies: bool = False                      # in the TEST phase each top is the bottom
    shares_memory: bool = False               # the tops are the bottom's memory
    params: ParamRule = learnt.no_params
    params_alone: bool = False                # whose shapes follow from no bottom
    learns: bool = True                       # False: its parameters are statistics
    products: ProductRule = learnt.no_products
    weighted: bool = False                    # the first parameter multiplies what the layer
                                              # reads, a second one is its bias
    options: str = ''                         # where they lie in a message named after another

    def arity(self, layer: LayerParameter) -> tuple[Arity, Arity]:
        """Return how many bottoms and tops this layer takes."""
        return self.narrowed(layer) if self.narrowed else (self.bottoms, self.tops)

    def check_arity(self, layer: LayerParameter, n_bottom: int, n_top: int) -> None:
        """Raise ValueError when the numbers of bottoms or tops do not fit the type."""
        for what, count, (low, high) in zip(('bottom', 'top'), (n_bottom, n_top),
                                            self.arity(layer), strict=True):
            if count < low or (high is not None and count > high):
                want = (f'exactly {low}' if low == high else
                        f'at least {low}' if high is None else f'{low} to {high}')
                raise ValueError(f'{layer.type} takes {want} {what} blob(s), got {count}')
        if self.same_count and n_bottom != n_top:
            raise ValueError(f'{layer.type} takes as many tops as bottoms, got {n_bottom} '
                             f'bottom(s) and {n_top} top(s)')


def _exposing(states: int) -> Callable[[LayerParameter], tuple[Arity, Arity]]:
    """RNN, LSTM: with expose_hidden each state is read as a bottom and given as a top."""
    def rule(layer: LayerParameter) -> tuple[Arity, Arity]:
        exposed = states if layer.recurrent_param.expose_hidden else 0
        return (2 + exposed, 3 + exposed), (1 + exposed, 1 + exposed)
    return rule


def _pooling_arity(layer: LayerParameter) -> tuple[Arity, Arity]:
    """MAX can tell the places of its maxima in a second top."""
    return (1, 1), (1, 2 if layer.pooling_param.pool == PoolingParameter.MAX else 1)


# What several rows share: a function of each value, a loss of scores and labels, what reads data,
# and what leaves no coordinates.
NEURON = LayerType(kind='neuron', pointwise=True)
NORM = LayerType(kind='norm')
LOSS = LayerType(shape.loss, 'loss', (2, 2), (1, 1), auto_top=True, coords=place.nowhere)
READER = LayerType(shape.images, 'data', (0, 0), (2, 2), coords=place.nowhere)
PLACELESS = LayerType(coords=place.nowhere)
ANY: Arity = (1, None)

LAYER_TYPES: dict[str, LayerType] = {
    # -- data
    'Data': replace(READER, tops=(1, 2)),
    'DummyData': replace(READER, shapes=shape.dummy_data, tops=ANY),
    'HDF5Data': replace(READER, tops=ANY),
    'ImageData': READER,
    'ImageSegData': replace(READER, tops=(3, 3), auto_top=True),               # DeepLab
    'Input': replace(READER, shapes=shape.declared, tops=(0, None)),
    'MatRead': replace(READER, tops=ANY),                                      # DeepLab
    'MemoryData': replace(READER, shapes=shape.memory_data, tops=(2, 3)),
    'Parameter': replace(READER, shapes=shape.parameter, tops=(1, 1),
                         params=learnt.parameter, params_alone=True),
    'Python': replace(READER, bottoms=(0, None), tops=(0, None)),
    'WindowData': READER,

    # -- windows and weights
    'Convolution': LayerType(
        window.convolution, 'weights', ANY, ANY, same_count=True, coords=place.convolution,
        reach=place.of_convolution, params=learnt.convolution, products=learnt.by_outputs,
        weighted=True),
    'Deconvolution': LayerType(
        window.convolution, 'up', ANY, ANY, same_count=True, coords=place.deconvolution,
        reach=place.of_deconvolution, params=learnt.convolution, products=learnt.by_inputs,
        weighted=True, options='convolution'),
    'Embed': replace(PLACELESS, shapes=shape.embed, kind='weights', params=learnt.embed,
                     params_alone=True, weighted=True),
    'Im2col': LayerType(window.im2col, coords=place.convolution, reach=place.of_convolution,
                        options='convolution'),
    'InnerProduct': replace(PLACELESS, shapes=shape.inner_product, kind='weights',
                            params=learnt.inner_product, products=learnt.by_vectors,
                            weighted=True),
    'Interp': LayerType(window.interp, 'up', coords=place.interp, reach=place.of_interp),
    'Padding': LayerType(window.padding, coords=place.padding),              # DeepLab
    'Pooling': LayerType(window.pooling, 'pool', tops=(1, 2), narrowed=_pooling_arity,
                         coords=place.pooling, reach=place.of_pooling),
    'SPP': replace(PLACELESS, shapes=window.spp),
    'Upsample': LayerType(window.upsample, 'up', (2, 2), coords=place.upsample),   # SegNet

    # -- each value by itself
    'AbsVal': NEURON,
    'BNLL': NEURON,
    'Clip': NEURON,
    'Dropout': replace(NEURON, copies=True),
    'ELU': NEURON,
    'Exp': NEURON,
    'Log': NEURON,
    'Power': NEURON,
    'PReLU': replace(NEURON, params=learnt.prelu),
    'ReLU': NEURON,
    'Sigmoid': NEURON,
    'Swish': NEURON,
    'TanH': NEURON,
    'Threshold': NEURON,

    # -- each value by statistics, by its channel or beside others
    'AdaptiveBiasChannel': replace(NORM, kind='other', bottoms=(2, 2)),        # DeepLab
    'BatchNorm': replace(NORM, pointwise=True, params=learnt.batch_norm,
                         learns=False),
    'Bias': replace(NORM, bottoms=(1, 2), pointwise=True, params=learnt.bias),
    'BiasChannel': replace(NORM, kind='other', bottoms=(2, 2)),                # DeepLab
    'BN': replace(NORM, shapes=shape.bn, tops=(1, 3), params=learnt.bn),      # SegNet
    'DenseCRF': LayerType(bottoms=(2, 3)),                                     # DeepLab
    'LRN': replace(NORM, shapes=shape.same_image, pointwise=True, reach=place.of_lrn),
    'MVN': replace(NORM, shapes=shape.mvn),
    'Scale': replace(NORM, bottoms=(1, 2), pointwise=True, params=learnt.scale),
    'Softmax': LayerType(coords=place.channelwise('softmax_param'), pointwise=True),

    # -- several blobs, and axes
    'ArgMax': LayerType(shape.argmax, coords=place.argmax),
    'BatchReindex': LayerType(shape.batch_reindex, bottoms=(2, 2)),
    'Concat': LayerType(shape.concat, 'join', ANY, coords=place.channelwise('concat_param'),
                        pointwise=True),
    'Crop': LayerType(shape.crop, 'join', (2, 2), coords=place.crop, size_bottom=1),
    'Eltwise': LayerType(shape.alike, 'join', (2, None), pointwise=True),
    'Filter': LayerType(shape.kept, bottoms=(2, None), tops=ANY),
    'Flatten': replace(PLACELESS, shapes=shape.flatten, shares_memory=True),
    'Reduction': replace(PLACELESS, shapes=shape.reduction),
    'Reshape': replace(PLACELESS, shapes=shape.reshape, shares_memory=True),
    'Slice': LayerType(shape.cut, tops=ANY, coords=place.channelwise('slice_param')),
    'Split': LayerType(tops=ANY, copies=True, shares_memory=True),
    'Tile': LayerType(shape.tile, coords=place.channelwise('tile_param')),
    'UniqueLabel': replace(PLACELESS, shapes=shape.unique_label),                  # DeepLab

    # -- sequences
    'LSTM': replace(PLACELESS, shapes=shape.recurrent, kind='weights', bottoms=(2, 5), tops=(1, 3),
                    narrowed=_exposing(2), params=learnt.lstm, options='recurrent'),
    'LSTMUnit': replace(PLACELESS, bottoms=(3, 3), tops=(2, 2)),
    'RNN': replace(PLACELESS, shapes=shape.recurrent, kind='weights', bottoms=(2, 4), tops=(1, 2),
                   narrowed=_exposing(1), params=learnt.rnn, options='recurrent'),

    # -- losses, measures, ends
    'Accuracy': replace(PLACELESS, shapes=shape.accuracy, bottoms=(2, 2), tops=(1, 2)),
    'ContrastiveLoss': replace(LOSS, bottoms=(3, 3)),
    'EuclideanLoss': LOSS,
    'HDF5Output': replace(PLACELESS, shapes=shape.none, bottoms=(2, 2), tops=(0, 0)),
    'HingeLoss': LOSS,
    'InfogainLoss': replace(LOSS, bottoms=(2, 3), tops=(1, 2)),
    'MatWrite': replace(PLACELESS, shapes=shape.none, bottoms=ANY, tops=(0, 0)),   # DeepLab
    'MultinomialLogisticLoss': LOSS,
    'SegAccuracy': replace(PLACELESS, shapes=shape.seg_accuracy, bottoms=(2, 2)),  # DeepLab
    'SigmoidCrossEntropyLoss': LOSS,
    'Silence': replace(PLACELESS, shapes=shape.none, bottoms=ANY, tops=(0, 0)),
    'SoftmaxWithLoss': replace(LOSS, tops=(1, 2), options='softmax'),
}


def layer_type(name: str) -> LayerType:
    """Return the row of a type; KeyError naming the closest ones if there is none."""
    if name not in LAYER_TYPES:
        meant = closest(name, sorted(LAYER_TYPES))
        near = get_close_matches(name, LAYER_TYPES, 8, 0.0)
        hint = (f'did you mean {meant!r}?' if meant else
                f'expected one of {", ".join(near)}, … ({len(LAYER_TYPES)} in all)')
        raise KeyError(f'unknown layer type {name!r}; {hint}')
    return LAYER_TYPES[name]


def top_shapes(layer: LayerParameter, bottoms: Sequence[MaybeShape]) -> list[MaybeShape]:
    """Return a shape for each top of a layer, given those of its bottoms.

    None where no rule gives one: for the tops of a Python layer with bottoms, and what is made of
    them. A type that is not known and reads no bottom counts as one that reads data. Raises
    ValueError where Caffe refuses the shape.
    """
    row = LAYER_TYPES.get(layer.type, READER)
    known = [found for found in bottoms if found is not None]
    if len(known) < max(len(bottoms), row.bottoms[0]) or known and row.shapes is shape.images:
        return [None] * len(layer.top)
    return [*row.shapes(layer, known)]


def param_shapes(layer: LayerParameter, bottoms: Sequence[MaybeShape]) -> list[learnt.ParamShape]:
    """Return the parameters of a layer, given the shapes of its bottoms.

    A dimension is None where it follows from an open one; [UNKNOWN] where a whole shape that they
    follow from is not known. Raises ValueError where Caffe refuses the shape.
    """
    row = LAYER_TYPES.get(layer.type, READER)
    known = [found for found in bottoms if found is not None]
    if row.params is learnt.no_params:
        return []
    if not row.params_alone and len(known) < max(len(bottoms), row.bottoms[0]):
        return [learnt.UNKNOWN]
    return row.params(layer, known)
