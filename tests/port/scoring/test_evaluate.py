"""The loop that scores, on nets whose labels and scores are written down here."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from netspec.schema import parse_net
from netspec.schema.messages import TEST
from port.data.scenes import draw_dataset
from port.engine.net import Net
from port.engine.python_layer import PythonLayer
from port.scoring.evaluate import count, data_instance, evaluate, heads, read, score
from port.scoring.metrics import fast_hist
from port.training.signals import Interrupted

HEAD = '''layer {{ name: "score{0}" type: "Convolution" bottom: "data" top: "score{0}"
  convolution_param {{ num_output: {1} kernel_size: 1 weight_filler {{ type: "gaussian" std: 1 }}
  }} }}
layer {{ name: "loss{0}" type: "SoftmaxWithLoss" bottom: "score{0}" bottom: "label" top: "loss{0}"
  loss_param {{ ignore_label: 255 }} }}
'''


class Pictures(PythonLayer):
    """A user's own data layer, as the published ones: a list `indices`, and no more."""

    def setup(self, bottom: list, top: list) -> None:
        self.indices, self.next = [str(n) for n in range(3)], 0

    def reshape(self, bottom: list, top: list) -> None:
        for blob, channels in zip(top, (3, 1), strict=True):
            blob.reshape(1, channels, 4, 5)

    def forward(self, bottom: list, top: list) -> None:
        rng = np.random.default_rng(self.next % 3)
        top[0].data[...] = rng.normal(size=(1, 3, 4, 5))
        top[1].data[...] = rng.choice([0, 1, 255], (1, 1, 4, 5))
        self.next += 1


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Net:
    """Two heads, of three and two classes, on three pictures."""
    monkeypatch.setattr('port.layers.python.find_class', lambda *names: Pictures)
    torch.manual_seed(5)
    return Net(parse_net('layer { name: "data" type: "Python" top: "data" top: "label" '
                         'python_param { module: "m" layer: "Pictures" } }\n'
                         + HEAD.format('', 3) + HEAD.format('_b', 2)), TEST)


def by_hand(net: Net, images: int) -> dict[str, np.ndarray]:
    """Count pixel by pixel what the convolutions of 1 x 1 make of the first pictures."""
    hists = {'score': np.zeros((3, 3), int), 'score_b': np.zeros((2, 2), int)}
    for image in range(images):
        rng = np.random.default_rng(image)
        data = rng.normal(size=(1, 3, 4, 5))
        truth = rng.choice([0, 1, 255], (1, 1, 4, 5))[0, 0]
        for name, hist in hists.items():
            kernel, bias = (blob.data.numpy() for blob in net.params[name])
            for y, x in np.argwhere(truth < 2):
                scores = kernel[:, :, 0, 0] @ data[0, :, y, x].astype(np.float32) + bias
                hist[truth[y, x], scores.argmax()] += 1
    return hists


def test_every_head_and_image_is_counted(net: Net, tmp_path: Path) -> None:
    found = evaluate(net, save=tmp_path / 'out', iteration=7)
    expected = by_hand(net, 3)
    assert list(found.scores) == ['score', 'score_b'] and found.iteration == 7
    for name, hist in expected.items():
        assert np.array_equal(found.scores[name].hist, hist)
    assert np.array_equal(found.main.hist, expected['score']) and len(found.images) == 3
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob('*.png')) == [
        f'out/{head}/{i}.png' for head in ('score', 'score_b') for i in range(3)]
    truth = np.random.default_rng(2)
    truth.normal(size=(1, 3, 4, 5))
    with Image.open(tmp_path / 'out/score/2.png') as picture:
        last = fast_hist(truth.choice([0, 1, 255], (1, 1, 4, 5)), np.array(picture), 3)
    assert np.array_equal(expected['score'] - by_hand(net, 2)['score'], last)


def test_the_first_images_only_and_no_more_than_there_are(net: Net) -> None:
    assert np.array_equal(evaluate(net, 2).main.hist, by_hand(net, 2)['score'])
    net.layers[0].instance.next = 0
    assert np.array_equal(score(net, images=9).main.hist, by_hand(net, 3)['score'])


def test_progress_and_a_stop(net: Net, tmp_path: Path) -> None:
    seen: list[str] = []

    def shown(names):
        for name in names:
            seen.append(name)
            yield name
    with pytest.raises(Interrupted, match='while scoring iteration 3'):
        evaluate(net, iteration=3, progress=shown, asked=lambda: len(seen) == 2)
    assert seen == ['0', '1']


def test_what_was_found_is_read_again(net: Net, tmp_path: Path) -> None:
    found = evaluate(net)
    found.write(tmp_path / 'a/b.json')
    again = read(tmp_path / 'a/b.json')
    assert again.images == found.images and again.loss == pytest.approx(found.loss)
    assert all(np.array_equal(again.scores[n].hist, found.scores[n].hist) for n in found.scores)


def test_a_net_tells_its_heads_and_its_data(net: Net) -> None:
    assert heads(net) == [('score', 'label'), ('score_b', 'label')]
    assert data_instance(net) is net.layers[0].instance


def test_the_loss_is_the_mean_over_the_passes(net: Net) -> None:
    losses = iter((1.0, 2.0, 6.0))

    def forward() -> float:
        net.run_forward()
        return next(losses)
    assert count(net.blobs, forward, 'abc', heads(net), {}).loss == 3.0


def test_a_data_layer_of_batches_is_refused(tmp_path: Path) -> None:
    voc = draw_dataset(tmp_path, 1, 1, (32, 32)) / 'pascal/VOC2011'
    net = Net(parse_net(
        'layer { name: "data" type: "Python" top: "data" top: "label" python_param { module: '
        f'"voc_layers" layer: "VOCSegDataLayer" param_str: "{{\'voc_dir\': \'{voc}\', '
        "'split': 'seg11valid', 'batch': 2, 'mean': (1, 2, 3)}\" } }\n" + HEAD.format('', 21)),
              TEST)
    with pytest.raises(ValueError, match='gives 2 images a pass, but images are scored one by'):
        evaluate(net)


@pytest.mark.parametrize('name', ['../../2', '/tmp/x', 'a/../../../2'])
def test_no_prediction_leaves_its_folder(net: Net, tmp_path: Path, name: str) -> None:
    net.layers[0].instance.indices = ['a/b/../0', '1', name]
    with pytest.raises(ValueError, match='a prediction would go to .*, out of .*/out'):
        evaluate(net, save=tmp_path / 'out')
    assert not list(tmp_path.rglob('*.png'))
