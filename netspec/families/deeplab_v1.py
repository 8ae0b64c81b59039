"""Nets in the syntax of DeepLab's first fork: `layers`, types as constants, `hole`.

The way back of schema.upgrade, for the authors' files alone.
"""

from netspec.schema.messages import LayerParameter, NetParameter, V1LayerParameter
from netspec.schema.upgrade import V2_TYPES

_V1_TYPES = {now: old for old, now in V2_TYPES.items()}
# Fields that V1 has not by this name, or not at all.
_REWRITTEN = {'type', 'param', 'loss_param'}
_LOOSE = ('fc6', 'fc7', 'fc8_')  # how the layers begin that may take weights of another shape


def to_v1(net: NetParameter, loose: bool) -> NetParameter:
    """Return a net in V1's form; if `loose`, fc6 to fc8 take weights of as many numbers."""
    old = NetParameter(name=net.name)
    for layer in net.layer:
        _rewrite(layer, old.layers.add())
        if loose and layer.type == 'Convolution' and layer.name.startswith(_LOOSE):
            old.layers[-1].strict_dim = False
    return old


def _rewrite(new: LayerParameter, old: V1LayerParameter) -> None:
    """Fill a V1 layer."""
    for field, value in new.ListFields():
        if field.name in _REWRITTEN:
            continue
        if hasattr(value, 'extend'):
            getattr(old, field.name).extend(value)
        elif field.message_type:
            getattr(old, field.name).CopyFrom(value)
        else:
            setattr(old, field.name, value)
    old.type = V1LayerParameter.LayerType.Value(_V1_TYPES[new.type])
    for param in new.param:
        old.blobs_lr.append(param.lr_mult)
        old.weight_decay.append(param.decay_mult)
    if new.type == 'SoftmaxWithLoss':
        old.softmaxloss_param.SetInParent()  # the authors write it even where it is empty
        if new.loss_param.HasField('ignore_label'):
            old.softmaxloss_param.ignore_label.append(new.loss_param.ignore_label)
    if old.convolution_param.dilation:
        old.convolution_param.hole, = old.convolution_param.dilation
        old.convolution_param.ClearField('dilation')
