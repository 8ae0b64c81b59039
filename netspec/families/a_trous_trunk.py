"""A trunk that was just written, turned into its a trous form before scores are laid upon it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from netspec.atrous import a_trous
from netspec.blocks import Style
from netspec.coord_map import AlignmentError
from netspec.layer_shapes import MaybeShape
from netspec.layer_types import top_shapes
from netspec.schema.messages import NetParameter
from netspec.spec import NetSpec, Top
from netspec.written import as_spec

SIZES = range(100, 132)         # of images that a padded net must be laid on: one stride of them


def a_trous_trunk(n: NetSpec, style: Style, tops: Sequence[Top]) -> list[Top]:
    """Take strides out of the layers that stand in a NetSpec, as its style says; return the same
    tops, to go on from.

    Raises ValueError naming the layer whose stride cannot be removed.
    """
    if style.output_stride is None:
        return list(tops)
    names = {top: name for name, top in n.tops.items()}
    net = a_trous(n.to_proto(), style.output_stride, style.pooling)
    _pad_more(net, style.more_pad)
    made = as_spec(net)[0].tops
    n.tops.clear()
    n.tops.update(made)
    return [n[names[top]] for top in tops]


def _pad_more(net: NetParameter, more: int) -> None:
    """Pad the convolutions that read images by so much more."""
    images: set[str] = set()
    for layer in net.layer:
        if set(layer.bottom) <= images and layer.type in ('Concat', 'Input', 'Python'):
            images |= set(layer.top)
        elif set(layer.bottom) <= images and layer.type == 'Convolution':
            p = layer.convolution_param
            pad = p.pad[0] if p.pad else 0
            del p.pad[:]
            if pad + more:
                p.pad.append(pad + more)


def covering(style: Style, most: int, deploy: Callable[[Style], NetParameter]) -> Style:
    """Return the style padded by as many more output strides, up to `most` pixels, as an a trous
    net needs for its scores to cover any image: they reach less far than those upsampled by the
    trunk's own stride.
    """
    stride, errors = style.output_stride or 1, list[ValueError]()
    for more in range(0, most + 1, stride):
        tried = replace(style, more_pad=more)
        try:
            net = deploy(tried)
            for size in SIZES if most else ():
                _lay(net, size)
            return tried
        except ValueError as error:
            errors.append(error)
    if style.pooling == 'dilated' and isinstance(errors[0], AlignmentError):
        raise AlignmentError(f'at stride {stride}: {str(errors[0]).partition(": ")[0]}: a pooling '
                             'of 2 x 2 without its stride shifts what a skip is added to; take the '
                             'pooling stride1, a net without skips, or more padding')
    raise ValueError(f'at stride {stride}: {errors[0]}')


def _lay(net: NetParameter, size: int) -> None:
    """Raise ValueError where a net cannot be laid on an image of that height and width."""
    shapes: dict[str, MaybeShape] = {}
    for layer in net.layer:
        if layer.type == 'Input':
            layer.input_param.shape[0].dim[2:] = [size, size]
        tops = top_shapes(layer, [shapes[name] for name in layer.bottom])
        shapes.update(zip(layer.top, tops, strict=True))
