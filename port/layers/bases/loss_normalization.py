"""What the losses over classes share: which labels count, and what the sum is divided by.

LossParameter's normalization, the old normalize and ignore_label; Caffe repeats this in
softmax_loss_layer, sigmoid_cross_entropy_loss_layer and infogain_loss_layer.
"""

from math import prod

import torch

from netspec.schema.messages import AccuracyParameter, LossParameter
from port.engine.blob import Blob

FULL, VALID = LossParameter.FULL, LossParameter.VALID
BATCH_SIZE, NONE = LossParameter.BATCH_SIZE, LossParameter.NONE
LOG_THRESHOLD = 1e-20  # the smallest probability whose logarithm is taken (loss_layer.hpp)


def mode_of(param: LossParameter, default: int = VALID) -> int:
    """Return the NormalizationMode: `normalization` where given, else what `normalize` meant."""
    if param.HasField('normalization'):
        return param.normalization
    if param.HasField('normalize'):
        return VALID if param.normalize else BATCH_SIZE
    return default


def ignored(param: LossParameter | AccuracyParameter) -> tuple[int, ...]:
    """Return the ignore_label, if any."""
    return (param.ignore_label,) if param.HasField('ignore_label') else ()


def counted(labels: torch.Tensor, ignore: tuple[int, ...]) -> torch.Tensor:
    """Return the mask of the labels that are not to be ignored."""
    valid = labels != ignore[0]
    for value in ignore[1:]:
        valid &= labels != value
    return valid


def normalizer(mode: int, batch: int, count: int,
               valid: torch.Tensor | None) -> torch.Tensor | float:
    """Return the divisor, at least 1: a batch without any label must not give NaN.

    batch: items before the class axis; count: all items; valid: mask of those not ignored,
    None for all.
    """
    if mode == VALID and valid is not None:
        return valid.sum().clamp_(min=1)
    return float(max(1, {FULL: count, VALID: count, BATCH_SIZE: batch, NONE: 1}[mode]))


def check_label_count(scores: Blob, label: Blob, axis: int) -> None:
    """Raise ValueError unless there is one label for each vector of scores along `axis`."""
    want = prod(scores.shape[:axis]) * prod(scores.shape[axis + 1:])
    if label.count != want:
        raise ValueError(
            f'{label.name!r} {list(label.shape)} holds {label.count} labels; expected {want}, one '
            f'for each prediction of {scores.name!r} {list(scores.shape)} with classes on axis '
            f'{axis} (for N x C x H x W scores, N*H*W labels from 0 to C-1)')


def class_indices(label: torch.Tensor, scores: tuple[int, ...], axis: int,
                  ignore: tuple[int, ...],
                  look: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the labels as indices along `axis`, and the mask of those not ignored (None: all).

    Both have the shape of the scores with 1 on `axis`; ignored labels index class 0. A label
    that is no class raises ValueError: always on the CPU; on a GPU only with `look`, which
    waits for the device (without it the device's own assertion stops the run).
    """
    index = label.reshape(*scores[:axis], 1, *scores[axis + 1:]).long()
    valid = None
    if ignore:
        valid = counted(index, ignore)
        index = index.where(valid, 0)
    if look or index.device.type == 'cpu':
        check_classes(index, scores[axis], ignore)
    return index, valid


def check_classes(index: torch.Tensor, classes: int, ignore: tuple[int, ...]) -> None:
    """Raise ValueError where one of the labels is none of the classes."""
    if not index.numel():
        return
    low, high = (int(v) for v in index.aminmax())
    if low < 0 or high >= classes:
        raise ValueError(
            f'label {low if low < 0 else high} is no class: the scores have {classes} classes, so '
            f'expected 0 to {classes - 1}' + (
                f', or the ignore_label {" or ".join(map(str, ignore))}' if ignore
                else ', and no ignore_label is set'))
