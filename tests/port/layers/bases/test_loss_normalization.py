"""The divisor of a loss and the reading of labels, on cases small enough to write down."""

import pytest
import torch
from google.protobuf import text_format

from netspec.schema.messages import LossParameter
from port.engine.blob import Blob
from port.layers.bases.loss_normalization import (
    BATCH_SIZE,
    FULL,
    NONE,
    VALID,
    check_label_count,
    class_indices,
    ignored,
    mode_of,
    normalizer,
)


def loss(text):
    return text_format.Parse(text, LossParameter())


@pytest.mark.parametrize('text, mode', [
    ('', VALID), ('normalize: true', VALID), ('normalize: false', BATCH_SIZE),
    ('normalization: FULL', FULL), ('normalization: NONE normalize: false', NONE)])
def test_mode(text, mode):
    assert mode_of(loss(text)) == mode
    assert mode_of(loss('normalize: true'), BATCH_SIZE) == VALID
    assert mode_of(loss(''), BATCH_SIZE) == BATCH_SIZE


def test_ignored():
    assert ignored(loss('ignore_label: 0')) == (0,) and ignored(loss('')) == ()


def test_normalizer_is_at_least_one():
    valid = torch.tensor([[True, False, True]])
    assert [float(normalizer(m, 1, 3, valid)) for m in (FULL, VALID, BATCH_SIZE, NONE)] \
        == [3, 2, 1, 1]
    assert normalizer(VALID, 1, 3, None) == 3
    assert float(normalizer(VALID, 1, 3, ~valid & valid)) == 1
    assert normalizer(BATCH_SIZE, 0, 0, None) == 1


def test_class_indices():
    index, valid = class_indices(torch.tensor([[1.0, 255.0], [2.9, 0.0]]), (2, 3, 2), 1, (255,))
    assert index.tolist() == [[[1, 0]], [[2, 0]]]        # cut to whole numbers, as in C
    assert valid.tolist() == [[[True, False]], [[True, True]]]
    assert class_indices(torch.zeros(0), (0, 3), 1, ())[1] is None
    with pytest.raises(ValueError, match='label 255 is no class.*, or the ignore_label 9'):
        class_indices(torch.tensor([255.0]), (1, 3), 1, (9,))


def test_label_count():
    scores, label = Blob('score', (2, 5, 3)), Blob('label', (2, 1, 3))
    check_label_count(scores, label, 1)
    with pytest.raises(ValueError, match="'label' .* holds 6 labels; expected 10"):
        check_label_count(scores, label, 2)
