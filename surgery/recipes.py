"""The surgery that each published net starts from: what its solve.py did before training.

The recipe itself is data: Variant.init in netspec.variants names the donors; here they are
followed.
"""

from collections.abc import Collection

from netspec.schema.messages import NetParameter
from netspec.variants import Variant, find_variant
from netspec.variants.row import Init

from .bilinear import interp
from .caffemodel import Weights
from .net_arrays import Net, array, has_layer, layer_names
from .report import UPSAMPLING, Report
from .sampling import sample_down
from .shapes import blank, drawn_layers
from .transplant import move


def apply(variant: str | Variant, new: Net, *sources: Net, skip: Collection[str] = (),
          drawn: Collection[str] = ()) -> Report:
    """Fill the new net of a row from its donors' weights, one source for each in `init`'s order.

    Each donor is transplanted (with its suffix), a first layer with an added input channel gets
    the mean of the others there, and every layer whose name contains 'up' gets bilinear kernels.
    Layers in `skip` are not taken from the donors; those in `drawn` may start from their fillers
    though they are still zero here. A donor's layer that is larger is sampled down where the row
    says so. Raises KeyError for an unknown row, ValueError
    for another number of sources or for weights that do not fit; the report tells the rest.
    """
    row = find_variant(variant)
    if not row.init:
        raise ValueError(f'{row.name} is trained from its fillers: it inherits no weights')
    if len(sources) != len(row.init):
        donors = ', '.join(init.donor for init in row.init)
        raise ValueError(f'{row.name} takes the weights of {len(row.init)} nets ({donors}), '
                         f'got {len(sources)}')
    report = Report()
    for i, (init, given) in enumerate(zip(row.init, sources, strict=True)):
        source, told = sample_down(new, given, [x for x in init.sampled if x not in skip])
        step = move(new, source, init.suffix, skip)
        for layer, how in told.items():
            step.fill(layer, how)
        report = report.merge(step) if i else step
        _add_mean_channel(report, new, source, init)
        library = getattr(given, 'version', '')
        if row.trunk == 'resnet101' and library in ('torchvision', 'timm'):
            report.loud.append(f"{library}'s ResNet halves the image in the 3 x 3 "
                               'convolution of res3a, this net in the 1 x 1 before it, as its '
                               'authors\' did: training has to make up for that')
    interp_all(report, new)
    report.warn(new, upsampling=True, drawn=drawn)
    return report


def start(variant: str | Variant, net: NetParameter, *sources: Net,
          skip: Collection[str] = ()) -> tuple[Weights, Report]:
    """Return the weights that training begins with, and the report of `apply`.

    net: the net to train. Left out are the layers that get no weights from donors and whose filler
    draws them at random: port.Net does that later.
    """
    new, drawn = blank(net), drawn_layers(net)
    report = apply(variant, new, *sources, skip=skip, drawn=drawn)
    for layer in set(drawn) & report.missing.keys():
        del new[layer]
    return new, report


def interp_all(report: Report, new: Net) -> None:
    """Set every layer whose name contains 'up' to bilinear kernels."""
    layers = [layer for layer in layer_names(new) if UPSAMPLING in layer]
    interp(new, layers)
    for layer in layers:
        report.fill(layer, 'bilinear')


def _add_mean_channel(report: Report, new: Net, source: Net, init: Init) -> None:
    """Fill a first layer with one input channel more: that one starts at the others' mean."""
    if init.mean_channel is None:
        return
    theirs, ours = init.mean_channel
    if has_layer(source, ours):                    # a source that has been through this before
        return
    weight, target = array(source, theirs), array(new, ours)
    channels = weight.shape[1]
    if target.shape != (weight.shape[0], channels + 1, *weight.shape[2:]):
        raise ValueError(f'layer {ours!r} blob 0: {target.shape} is not {theirs!r} '
                         f'{weight.shape} with one input channel more')
    target[:, :channels] = weight
    target[:, channels] = weight.mean(axis=1)
    bias = array(new, ours, 1)
    bias[...] = array(source, theirs, 1).reshape(bias.shape)
    report.dropped.pop(theirs, None)
    report.fill(ours, f'{theirs}, and its mean as channel {channels}')
