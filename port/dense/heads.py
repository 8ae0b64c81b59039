"""Class scores on a convolutional classifier, upsampled to the image, with skips: an FCN of it.

FCN, PAMI 2017, sections 4.1 to 4.3: in the place of the classifier's last layer comes one of as
many classes as wanted, bilinear upsampling brings its scores to the image, and the scores of
finer layers are added on the way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from netspec.blocks import fuse, score, upscore
from netspec.coord_map import AlignmentError, coord_map_from_to, crop
from netspec.schema.messages import NetParameter
from netspec.spec import Top, unknown
from netspec.written import as_spec
from port.dense.convolutional import Convolutional
from surgery import param_shapes

ROOM = 100        # the published nets' padding: any image is large enough for the first window
TRIED = 4         # sizes of images for which the Crops must find enough, over one stride


@dataclass(frozen=True)
class _Way:
    """How the scores are laid on each other: tried in turn until every Crop finds enough.

    pad: of the first convolution, 0 for its own. odd: kernels of 2 f - 1, where all windows of
    the trunk are odd, else 2 f. skip_cropped: the skip is cropped to the upsampled scores, as in
    a padded net; else those to the skip.
    """

    pad: int
    odd: bool
    skip_cropped: bool


WAYS = [_Way(*way) for way in product((0, ROOM), (False, True), (True, False))]


def with_scores(done: Convolutional, classes: int, skips: Sequence[str] = ()
                ) -> tuple[NetParameter, int]:
    """Return the net with scores of each pixel in the place of its classifier, and its padding.

    skips: tops whose scores are added, coarse to fine. The padding is 0 where the first
    convolution keeps its own, and else 100, as in the paper.
    Raises KeyError for a skip that the net lacks, ValueError where no way lays the scores on the
    image.
    """
    kept = NetParameter(name=done.net.name)
    names = [layer.name for layer in done.net.layer]
    kept.layer.extend(done.net.layer[:names.index(done.classifier)])
    blobs = as_spec(kept)[1]
    for skip in skips:
        if skip not in blobs:
            raise unknown('the net has no top to skip from', skip, blobs)
    for coarse, fine in pairwise((done.features, *skips)):
        _factor(blobs[coarse], blobs[fine], f'{fine!r} after {coarse!r}')
    errors: list[Exception] = []
    for way in WAYS:
        try:
            net = _scored(kept, done.features, classes, skips, way)
            _check_sizes(net, done)
            return net, way.pad
        except (AlignmentError, ValueError) as error:
            errors.append(error)
    raise ValueError(f'the scores cannot be laid on the image: {errors[-1]}')


def _scored(kept: NetParameter, features: str, classes: int, skips: Sequence[str],
            way: _Way) -> NetParameter:
    net = NetParameter()
    net.CopyFrom(kept)
    if way.pad:
        _pad_first(net, way.pad)
    n, blobs = as_spec(net)
    data = blobs[net.layer[0].top[0]]
    top = n['score_fr'] = score(blobs[features], classes)
    for skip in skips:
        name = skip.replace('/', '_')
        fine = n[f'score_{name}'] = score(blobs[skip], classes)
        up = n[f'upscore_{name}'] = _up(top, fine, classes, way)
        first, second = (up, fine) if way.skip_cropped else (fine, up)
        n[f'{"score" if way.skip_cropped else "upscore"}_{name}c'], top = fuse(first, second)
        n[f'fuse_{name}'] = top
    n['upscore'] = _up(top, data, classes, way)
    n['score'] = crop(n['upscore'], data)
    scored = n.to_proto()
    scored.name = kept.name
    return scored


def _up(top: Top, like: Top, classes: int, way: _Way) -> Top:
    """Return scores as fine as another top, bilinearly upsampled."""
    factor = _factor(top, like, 'the image')
    return upscore(top, classes, factor, 2 * factor - way.odd)


def _factor(top: Top, like: Top, what: str) -> int:
    """Return how many times as fine the second top is; ValueError where that is no whole number."""
    scales = {float(scale) for scale in coord_map_from_to(top, like).scale.flat}
    factor = scales.pop()
    if scales or factor < 2 or factor != int(factor):
        raise ValueError(f'{what}: {factor:g} times as fine, which no upsampling brings together; '
                         'name tops from coarse to fine')
    return int(factor)


def _pad_first(net: NetParameter, pad: int) -> None:
    """Give the first convolution a padding; ValueError where the net begins otherwise."""
    for layer in net.layer:
        if layer.type == 'Convolution':
            for field in ('pad', 'pad_h', 'pad_w'):
                layer.convolution_param.ClearField(field)
            layer.convolution_param.pad.append(pad)
            return
    raise ValueError('the net has no convolution that could be padded')


def _check_sizes(net: NetParameter, done: Convolutional) -> None:
    """Raise ValueError where a Crop reaches past its bottom, for images of several sizes."""
    probe = NetParameter()
    probe.CopyFrom(net)
    high, wide = done.size
    stride = max(max(layer.convolution_param.stride, default=1) for layer in net.layer)
    for more in range(0, stride, max(1, stride // TRIED)):
        probe.layer[0].input_param.shape[0].dim[2:] = [high + more, wide + more + 1]
        param_shapes(probe)
