"""How the papers' experiments change a net: what learns, where it ends, what its loss is of.

FCN, PAMI 2017: fixed trunks and truncated nets (Table 3), sigmoid cross-entropy and loss sampling
(section 4.4), the null background (section 6.1). All is said in layers of Caffe.
"""

from collections.abc import Callable
from typing import Any

from netspec.blocks import score, upscore
from netspec.coord_map import crop
from netspec.families.fcn import fcn, fitted
from netspec.schema.messages import LayerParameter, NetParameter
from netspec.spec import NetSpec
from netspec.spec import layers as L
from netspec.trunks.vgg16 import vgg16
from netspec.variants.row import Head, Variant

NetMaker = Callable[..., NetParameter]
VOID = 255      # a target that is left out of the loss


def fixed_trunk(row: Variant, split: str, **options: Any) -> NetParameter:
    """Return the net with every layer but the scores fixed (lr_mult 0)."""
    net = fcn(row, split, **options)
    for layer in net.layer:
        if not layer.name.startswith('score'):
            for param in layer.param:
                param.lr_mult = param.decay_mult = 0
    return net


def truncated(pool: int) -> NetMaker:
    """Return what makes FCN-pool<n>: the trunk up to a pooling, scored and upsampled from there."""
    def make(row: Variant, split: str, classes: int | None = None,
             ignore_label: int | None = None, **options: Any) -> NetParameter:
        whole = fcn(row, split, classes=classes, ignore_label=ignore_label, **options)
        row = fitted(row, classes, ignore_label)
        net, n = NetParameter(), NetSpec()
        end = next(i for i, layer in enumerate(whole.layer) if layer.name == f'pool{pool}')
        net.layer.extend(whole.layer[:end + 1])
        net.layer.extend(_truncated_head(n, row, pool))
        net.layer.extend(layer for layer in whole.layer if layer.type == 'SoftmaxWithLoss')
        return net
    return make


def _truncated_head(n: NetSpec, row: Variant, pool: int) -> list[LayerParameter]:
    """Return the layers from pool<n> to the scores; offsets from the published trunk's maps."""
    data = n['data'] = L.Input(shape=dict(dim=[1, 3, 500, 500]))
    vgg16(n, data)
    kept = set(n.tops)
    n[f'score_pool{pool}'] = score(n[f'pool{pool}'], row.classes)
    n.upscore = upscore(n[f'score_pool{pool}'], row.classes, 2 ** pool)
    n.score = crop(n.upscore, data)
    return [layer for layer in n.to_proto().layer if layer.name not in kept]


def from_random(row: Variant, split: str, **options: Any) -> NetParameter:
    """Return the net with fillers, whatever its width."""
    return fcn(row, split, **{'filler': 'msra', **options})


def sigmoid(null_background: bool = False) -> NetMaker:
    """Return what makes a net with a sigmoid cross-entropy loss of each class by itself.

    null_background: the net scores the other classes only; the background's score is 0, so a
    pixel is background where no other class is likelier than not. A SegAccuracy layer takes the
    loss's place as what names the scores and the labels to count.
    """
    def make(row: Variant, split: str, classes: int | None = None,
             ignore_label: int | None = None, **options: Any) -> NetParameter:
        net = fcn(row, split, classes=classes, ignore_label=ignore_label, **options)
        row = fitted(row, classes, ignore_label)
        if len(row.heads) > 1:
            raise ValueError(f'{row.name} has {len(row.heads)} heads; the sigmoid loss is for one')
        train = split == row.splits[0].file
        first, scores = 0, 'score'
        if null_background:
            first, scores = 1, 'score_foreground'
            _drop_background(net, row.classes, scores)
        for i, layer in enumerate(net.layer):
            if layer.type == 'SoftmaxWithLoss':
                del net.layer[i]
        if null_background and not train:
            net.layer.extend(_with_zeros(scores))
        if split != 'deploy':
            head = row.heads[0]
            net.layer.extend(_one_hot(head.label, first, row.classes))
            net.layer.extend(_losses(row, head, scores, train))
        return net
    return make


def _layer(kind: str, name: str, *bottoms: str, **fields: Any) -> LayerParameter:
    """Return a layer of one top, which has its name."""
    return LayerParameter(name=name, type=kind, bottom=bottoms, top=[name], **fields)


def _drop_background(net: NetParameter, classes: int, scores: str) -> None:
    """Take the background's channel out of all layers that make scores, and rename what they end
    in.
    """
    for layer in net.layer:
        conv = layer.convolution_param
        if layer.type in ('Convolution', 'Deconvolution') and conv.num_output == classes and (
                layer.name.startswith('score') or layer.name.startswith('up')):
            conv.num_output = classes - 1
        if layer.name == 'score':
            layer.name, layer.top[0] = scores, scores


def _with_zeros(scores: str) -> list[LayerParameter]:
    """Return the layers that put a background of zeros before the scores of the other classes."""
    parts = LayerParameter(name='slice_foreground', type='Slice', bottom=[scores],
                           top=['first_class', 'other_classes'],
                           slice_param=dict(slice_point=[1]))
    return [parts,
            _layer('Power', 'background', 'first_class', power_param=dict(scale=0)),
            _layer('Concat', 'score', 'background', 'first_class', 'other_classes')]


def _one_hot(label: str, first: int, classes: int) -> list[LayerParameter]:
    """Return the layers that make a target of 0 and 1 for each class, VOID where it is ignored.

    A label is class c where it lies above c - 1/2 and not above c + 1/2; ignored labels follow
    the last class.
    """
    above = [_layer('Threshold', f'above{c}', label, threshold_param=dict(threshold=c - 0.5))
             for c in range(first, classes + 1)]
    names = [layer.name for layer in above]
    return [*above,
            _layer('Concat', 'from_class', *names[:-1]),
            _layer('Concat', 'beyond_class', *names[1:]),
            _layer('Concat', 'ignored', *names[-1:] * (len(names) - 1)),
            _layer('Eltwise', 'target', 'from_class', 'beyond_class', 'ignored',
                   eltwise_param=dict(operation='SUM', coeff=[1, -1, VOID]))]


def _losses(row: Variant, head: Head, scores: str, train: bool) -> list[LayerParameter]:
    """Return the loss, and in testing what names the scores and labels."""
    loss = _layer('SigmoidCrossEntropyLoss', head.loss, scores, 'target',
                  loss_param=dict(ignore_label=VOID, normalize=row.normalize))
    counted = _layer('SegAccuracy', 'accuracy', 'score', head.label,
                     seg_accuracy_param=dict(ignore_label=[row.ignore_label]))
    return [loss] if train else [loss, counted]


def sampled(keep: float) -> NetMaker:
    """Return what makes a net whose loss leaves out cells of its coarsest scores at random.

    keep: the share of cells that count, p of section 4.4. A mask of the cells is upsampled as the
    scores are; where it is above 1/2 the label becomes the ignored one. In testing nothing is
    left out.
    """
    def make(row: Variant, split: str, classes: int | None = None,
             ignore_label: int | None = None, **options: Any) -> NetParameter:
        net = fcn(row, split, classes=classes, ignore_label=ignore_label, **options)
        row = fitted(row, classes, ignore_label)
        if split != row.splits[0].file:
            return net
        layers = {layer.name: layer for layer in net.layer}
        up = [layer for layer in net.layer if layer.type == 'Deconvolution']
        if len(up) != 1 or 'score_fr' not in layers:
            raise ValueError(f'{row.name}: cells are sampled where scores are upsampled once, '
                             f'without skips; this net upsamples {len(up)} times')
        loss = next(layer for layer in net.layer if layer.type == 'SoftmaxWithLoss')
        end = list(net.layer).index(loss)
        rest = [LayerParameter.FromString(x.SerializeToString()) for x in net.layer[end:]]
        del net.layer[end:]
        net.layer.extend(_cell_mask(up[0], layers['score'], keep, row.ignore_label))
        net.layer.extend(rest)
        for layer in net.layer:
            if layer.name == loss.name:
                layer.bottom[1] = 'label_sampled'
                layer.propagate_down.extend([True, False])      # labels have no gradient
        return net
    return make


def _cell_mask(up: LayerParameter, cut: LayerParameter, keep: float,
               ignored: int) -> list[LayerParameter]:
    """Return the layers that turn labels of dropped cells into the ignored label.

    Dropout leaves a share 1 - ratio of ones, here those that are dropped.
    """
    grown = LayerParameter.FromString(up.SerializeToString())
    grown.name = grown.top[0] = 'upsampled_drops'
    grown.bottom[0] = 'drops'
    grown.convolution_param.num_output = 1
    laid = LayerParameter.FromString(cut.SerializeToString())
    laid.name = laid.top[0] = 'drops_on_image'
    laid.bottom[0] = 'dropped'
    return [
        _layer('ArgMax', 'cells', 'score_fr', argmax_param=dict(axis=1)),
        _layer('Power', 'ones', 'cells', power_param=dict(scale=0, shift=1)),
        _layer('Dropout', 'dropping', 'ones', dropout_param=dict(dropout_ratio=keep)),
        _layer('Threshold', 'drops', 'dropping', threshold_param=dict(threshold=0.5)),
        grown,
        _layer('Threshold', 'dropped', 'upsampled_drops', threshold_param=dict(threshold=0.5)),
        laid,
        _layer('Power', 'drops_ignored', 'drops_on_image', power_param=dict(scale=ignored)),
        _layer('Eltwise', 'label_sampled', 'label', 'drops_ignored',
               eltwise_param=dict(operation='MAX'))]
