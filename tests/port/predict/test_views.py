"""Several views of an image: the mean of their probabilities, by plain steps."""

import numpy as np
import pytest
import torch
from PIL import Image

from port.predict.views import Views

SEED, CLASSES = 3, 4


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn((1, 3, 9, 14), generator=torch.Generator().manual_seed(SEED))


def pointwise(arrays: dict) -> torch.Tensor:
    """A net that looks at one pixel at a time, and at which column it is."""
    x = arrays['data']
    weight = torch.arange(12.0).reshape(CLASSES, 3) / 5 - 1
    column = torch.linspace(0, 1, x.shape[3])[None, None, None]
    return torch.einsum('kc,nchw->nkhw', weight, x) + column


def softmax(scores: np.ndarray) -> np.ndarray:
    e = np.exp(scores - scores.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def test_one_view_is_the_net_itself(image):
    assert not Views().several and Views(flip=True).several and Views((0.5, 1.0)).several
    found = Views().scores(pointwise, {'data': image})
    assert np.allclose(softmax(found.numpy()), softmax(pointwise({'data': image}).numpy()),
                       atol=1e-6)


def test_mirrored_is_mirrored_back(image):
    plain = softmax(pointwise({'data': image}).numpy())
    mirrored = softmax(pointwise({'data': torch.from_numpy(image.numpy()[..., ::-1].copy())})
                       .numpy())[..., ::-1]
    expected = (plain + mirrored) / 2
    found = Views(flip=True).scores(pointwise, {'data': image}).numpy()
    assert np.allclose(np.exp(found), expected, atol=1e-6)
    assert np.array_equal(found.argmax(1), expected.argmax(1))


def bilinear(planes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pillow's resizing of each plane: another program's bilinear with means where smaller."""
    return np.stack([np.asarray(Image.fromarray(p).resize(size[::-1], Image.Resampling.BILINEAR))
                     for p in planes])


def test_scales_are_those_of_another_program(image):
    expected = np.zeros((CLASSES, 9, 14))
    for scale, size in ((0.5, (4, 7)), (1.0, (9, 14)), (1.5, (14, 21))):
        seen = image.numpy()[0] if scale == 1 else bilinear(image.numpy()[0], size)
        found = softmax(pointwise({'data': torch.tensor(seen)[None]}).numpy())[0]
        expected += (found if scale == 1 else bilinear(found.astype(np.float32), (9, 14))) / 3
    found = Views((0.5, 1.0, 1.5)).scores(pointwise, {'data': image}).numpy()[0]
    assert np.allclose(np.exp(found), expected, atol=2e-5)      # float32 weights of neighbours


def test_outputs_that_are_probabilities_stay_such(image):
    run = lambda arrays: pointwise(arrays).softmax(1)                               # noqa: E731
    found = Views((1.0,), True).scores(run, {'data': image}, probable=True)
    assert np.allclose(found.sum(1), 1, atol=1e-6)
    other = Views((1.0,), True).scores(pointwise, {'data': image}).exp()
    assert np.allclose(found, other, atol=1e-6)


def test_a_net_with_scores_of_another_size_is_refused(image):
    with pytest.raises(ValueError, match='need scores as large as the image'):
        Views((0.5,)).scores(lambda arrays: arrays['data'][:, :, 1:], {'data': image})
