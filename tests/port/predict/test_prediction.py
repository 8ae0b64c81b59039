"""A prediction is the scores' tensor, and says what they mean."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import port
from netspec.known_weights import kept_file
from netspec.variants import VARIANTS
from port.data.label_pictures import vis_seg
from port.predict.prediction import Prediction

RGB = np.random.default_rng(3).integers(0, 256, (4, 5, 3), np.uint8)
SCORES = torch.from_numpy(np.random.default_rng(4).standard_normal((2, 3, 4, 5), np.float32))
COLOURS = np.eye(3, dtype=np.uint8) * 200


def test_it_is_a_tensor_and_what_is_computed_of_it_is_a_plain_one() -> None:
    made = Prediction.of(SCORES, ('a', 'b', 'c'))
    assert isinstance(made, torch.Tensor) and made.shape == SCORES.shape
    assert np.array_equal(np.asarray(made), SCORES.numpy())
    assert made.data_ptr() == SCORES.data_ptr()                   # nothing is copied
    for computed in (made + 1, made[0], made.argmax(1), torch.cat([made, SCORES])):
        assert type(computed) is torch.Tensor


def test_labels_and_probabilities() -> None:
    scores = SCORES.numpy()
    several, alone = Prediction.of(SCORES), Prediction.of(SCORES[:1], alone=True)
    assert np.array_equal(several.labels, scores.argmax(1))
    assert np.array_equal(alone.labels, scores[0].argmax(0))
    exponents = np.exp(scores.astype(np.float64))
    expected = exponents / exponents.sum(1, keepdims=True)
    assert np.abs(several.probabilities() - expected).max() < 1e-6      # float32 of float64
    assert alone.probabilities().shape == (3, 4, 5)


def test_the_overlay_lies_over_the_picture() -> None:
    made = Prediction.of(SCORES, (), COLOURS, [RGB, RGB])
    first, second = made.overlay(0.25)
    for image, labels in ((first, made.labels[0]), (second, made.labels[1])):
        assert isinstance(image, Image.Image)
        assert np.array_equal(np.asarray(image), vis_seg(RGB, labels, COLOURS, 0.25))
    with pytest.raises(ValueError, match='no picture to lay the labels over: give image files'):
        Prediction.of(SCORES).overlay()


def test_the_first_code_of_the_readme_runs(tree: Path, tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch,
                                            capsys: pytest.CaptureFixture[str]) -> None:
    frame = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8))
    frame.save(tmp_path / 'street.jpg')
    monkeypatch.chdir(tmp_path)
    text = (tree / 'README.md').read_text(encoding='utf-8').split('```python\n')[1].split('```')[0]
    (tmp_path / 'first.py').write_text(text)
    answer = runpy.run_path('first.py')['answer']
    assert answer.names[3] == 'Road' and 'Road' in capsys.readouterr().out
    assert answer.labels.shape == (90, 120) and answer.probabilities().shape == (11, 90, 120)
    assert tuple(answer.palette[3]) == (128, 64, 128)    # CamVid's purple of roads
    with Image.open(tmp_path / 'street_overlay.png') as overlay:
        assert overlay.size == (120, 90)


def test_weights_that_come_along_are_found() -> None:
    found = [name for name in VARIANTS if kept_file(name)]
    assert 'camvid-fcn-basic' in found and 'voc-fcn8s' not in found


def test_a_net_without_weights_says_so(caplog: pytest.LogCaptureFixture) -> None:
    port.predictor('voc-fcn16s-squeezenet')
    assert 'voc-fcn16s-squeezenet: no weights are given: its scores mean nothing' in caplog.text
