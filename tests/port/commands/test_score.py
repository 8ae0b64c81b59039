"""fcn score and fcn test: figures of a net on its split, counted again by hand."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec.schema.messages import TEST
from port.crf import refine
from port.engine.net import Net
from port.fast.labelled_scoring import FastScoring


def opened(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def count(scenes, folder: Path, names: list[str]) -> np.ndarray:
    """The histogram of the pictures that were saved, pixel by pixel."""
    hist = np.zeros((21, 21), int)
    for name in names:
        truth, predicted = opened(scenes.label(name)), opened(folder / f'{name}.png')
        assert truth.shape == predicted.shape
        for t, p in zip(truth.flat, predicted.flat, strict=True):
            if t != 255:
                hist[t, p] += 1
    return hist


def test_figures(trained: Path, lively: Path, scenes, tmp_path: Path, fcn) -> None:
    result = fcn('score', trained / 'val.prototxt', '--weights', lively,
                 f'--json={tmp_path / "s.json"}', '--save', tmp_path / 'out')
    assert result.exit_code == 0 and result.stderr == 'fcn: the testing net: by the fast engine\n'
    names = [f'val_{i:06d}' for i in range(3)]
    assert sorted(p.name for p in (tmp_path / 'out').iterdir()) == [f'{n}.png' for n in names]
    figures = json.loads((tmp_path / 's.json').read_text())['score']
    hist = count(scenes, tmp_path / 'out', names)
    assert len(hist.sum(0).nonzero()[0]) > 1 and figures['hist'] == hist.tolist()
    there, right = hist.sum(1) > 0, np.diag(hist)
    iu = right[there] / (hist.sum(1) + hist.sum(0) - right)[there]
    assert figures['pixel_accuracy'] == pytest.approx(right.sum() / hist.sum())
    assert figures['mean_accuracy'] == pytest.approx((right[there] / hist.sum(1)[there]).mean())
    assert figures['mean_IU'] == pytest.approx(iu.mean())
    assert figures['fw_IU'] == pytest.approx((hist.sum(1)[there] * iu).sum() / hist.sum())
    assert f'pixel accuracy  {100 * right.sum() / hist.sum():6.2f}' in result.stdout
    rows = {row['class']: row for row in figures['classes']}
    assert rows['background']['pixels'] == hist[0].sum()
    assert rows['tvmonitor']['iu'] is None and len(rows) == 21


def test_fast_counts_the_same_pixels(trained: Path, lively: Path, tmp_path: Path, fcn,
                                     monkeypatch) -> None:
    passes, run = [], FastScoring.__call__
    monkeypatch.setattr(FastScoring, '__call__', lambda self: passes.append(1) or run(self))
    hists = []
    for more in ((), ('--exact',)):
        assert fcn('score', trained / 'val.prototxt', '--weights', lively,
                   f'--json={tmp_path / "s.json"}', *more).exit_code == 0
        hists.append(np.array(json.loads((tmp_path / 's.json').read_text())['score']['hist']))
    assert len(passes) == 3
    assert hists[0].sum() == hists[1].sum()
    assert np.abs(hists[0] - hists[1]).sum() <= 2e-4 * hists[0].sum()      # ties by rounding


def test_the_first_images_only(trained: Path, lively: Path, tmp_path: Path,
                                          fcn) -> None:
    def pixels(*more: object) -> int:
        assert fcn('score', trained / 'val.prototxt', '--weights', lively,
                   f'--json={tmp_path / "s.json"}', *more).exit_code == 0
        return np.sum(json.loads((tmp_path / 's.json').read_text())['score']['hist'])
    one, three, six = pixels('--limit', 1), pixels(), pixels('--limit', 6)
    assert 0 < one < three == six


def test_two_heads(own_scenes, tmp_path: Path, fcn) -> None:
    """SIFT Flow's nets: a table and a JSON object for each head."""
    net = Net(two_heads(tmp_path), TEST)
    net.save(tmp_path / 'w.caffemodel')
    result = fcn('score', tmp_path / 'net.prototxt', '--weights',
                 tmp_path / 'w.caffemodel', '--limit', 2, f'--json={tmp_path / "s.json"}')
    assert result.exit_code == 0
    assert result.stdout.startswith('score_a\n') and '\nscore_b\n' in result.stdout
    figures = json.loads((tmp_path / 's.json').read_text())
    assert {key: np.shape(value['hist']) for key, value in figures.items()} == {
        'score_a': (3, 3), 'score_b': (2, 2)}


def two_heads(folder: Path) -> Path:
    """Write a net of two heads on constant data."""
    head = '''layer {{ name: "score_{0}" type: "Convolution" bottom: "data" top: "score_{0}"
      convolution_param {{ num_output: {1} kernel_size: 1 }} }}
    layer {{ name: "loss_{0}" type: "SoftmaxWithLoss" bottom: "score_{0}" bottom: "label"
      top: "loss_{0}" }}'''
    path = folder / 'net.prototxt'
    path.write_text('''layer { name: "data" type: "DummyData" top: "data" top: "label"
      dummy_data_param { shape { dim: 1 dim: 3 dim: 4 dim: 5 } shape { dim: 1 dim: 1 dim: 4 dim: 5 }
        data_filler { value: 1 } data_filler { value: 1 } } }''' + head.format('a', 3)
                    + head.format('b', 2))
    return path


def test_refusals(trained: Path, lively: Path, tmp_path: Path, refused) -> None:
    net = (trained / 'val.prototxt', '--weights', lively)
    line = refused('score', trained / 'deploy.prototxt', '--weights', lively)
    assert 'score the net with data (train, val, test), not deploy' in line
    line = refused('score', *net, f'--json={tmp_path / "no" / "s.json"}')
    assert f'{tmp_path / "no" / "s.json"}: the folder' in line and 'does not exist' in line
    assert '0 is not in the range' in refused('score', *net, '--limit', 0, status=2)
    two_heads(tmp_path)
    Net(tmp_path / 'net.prototxt', TEST).save(tmp_path / 'w')
    line = refused('score', tmp_path / 'net.prototxt', '--weights', tmp_path / 'w')
    assert 'does not say how many images it has; give --limit' in line


def test_mean_outputs(trained: Path, lively: Path, fcn) -> None:
    """`fcn test` prints the mean of each output, as `caffe test` does."""
    net = Net(trained / 'val.prototxt', TEST, weights=lively)
    losses = [float(net.forward()['loss']) for _ in range(4)]
    result = fcn('test', trained / 'val.prototxt', '--weights', lively,
                 '--iterations', 4)
    assert result.exit_code == 0 and result.stderr == ''
    loss, output = result.stdout.splitlines()
    assert float(loss.removeprefix('Loss: ')) == pytest.approx(np.mean(losses), rel=1e-4)
    assert float(output.removeprefix('loss = ')) == pytest.approx(np.mean(losses), rel=1e-4)


def test_labels_are_not_written_over(own_scenes, lively: Path, make_run, tmp_path: Path,
                                     refused) -> None:
    """Else the next score would be of the predictions against themselves."""
    run, labels = make_run(tmp_path / 'r', own_scenes), own_scenes.label('val_000000').parent
    (tmp_path / 'link').symlink_to(labels)
    for folder in (labels, tmp_path / 'link'):
        line = refused('score', run / 'val.prototxt', '--weights', lively, '--save',
                       folder)
        assert f'{folder}/val_000000.png: is read here, and would be written over' in line
        assert '--save' in line
    line = refused('score', run / 'val.prototxt', '--weights', lively,
                   f'--json={run / "val.prototxt"}')
    assert 'val.prototxt: is read here' in line and '--json' in line


def test_crf(trained: Path, lively: Path, scenes, tmp_path: Path, fcn) -> None:
    """The labels that are saved and counted are those refined on the picture as it lies there."""
    for more in ((), ('--exact',)):
        assert fcn('score', trained / 'val.prototxt', '--weights', lively, '--save',
                   tmp_path / 'out', f'--json={tmp_path / "s.json"}', '--crf', 'deeplab-largefov',
                   *more).exit_code == 0
        net, names = Net(trained / 'val.prototxt', TEST, weights=lively), []
        for i in range(3):
            names.append(f'val_{i:06d}')
            net.run_forward()
            rgb = np.asarray(Image.open(scenes.image(names[-1])).convert('RGB'))
            scores = net.blobs['score'].data[0].numpy()
            expected = refine(scores, rgb, [('gaussian', 3, 3), ('bilateral', 4, 121, 5)])
            saved = opened(tmp_path / 'out' / f'{names[-1]}.png')
            assert (saved == expected.argmax(0)).mean() > .999      # the fast one rounds otherwise
            assert (saved != scores.argmax(0)).any()
        figures = json.loads((tmp_path / 's.json').read_text())['score']
        assert figures['hist'] == count(scenes, tmp_path / 'out', names).tolist()
        shutil.rmtree(tmp_path / 'out')


def test_the_interval_the_frames_and_the_boundaries(trained: Path, lively: Path, tmp_path: Path,
                                                    fcn) -> None:
    result = fcn('score', trained / 'val.prototxt', '--weights', lively,
                 f'--json={tmp_path / "s.json"}', '--frames', tmp_path / 'f.csv', '--boundaries',
                 '--tolerance', 3)
    assert result.exit_code == 0
    found = json.loads((tmp_path / 's.json').read_text())['score']
    low, high = found['mean_IU_95']
    assert found['frames'] == 3 and low <= found['mean_IU'] <= high and low < high
    assert list(found['mean_IU_in_band']) == ['2', '4', '8', '16'] and found['tolerance'] == 3
    assert 0 <= found['boundary_F1'] < 1 and len(found['class_boundary_F1']) == 21
    assert f'drawn from 3 frames: {100 * low:.2f} to {100 * high:.2f}' in result.stdout
    assert f'boundary F1 (tolerance 3 px): {100 * found["boundary_F1"]:.2f}' in result.stdout
    rows = (tmp_path / 'f.csv').read_text().splitlines()
    assert rows[0].startswith('frame,pixels,mean IU,background') and len(rows) == 4
    plain = fcn('score', trained / 'val.prototxt', '--weights', lively).stdout
    assert 'drawn from 3 frames' in plain and 'boundary' not in plain


def test_several_views_change_the_figures_and_say_what_they_need(trained, lively, fcn, tmp_path,
                                                                 refused):
    def hist(*more: object) -> list:
        path = tmp_path / 'f.json'
        result = fcn('score', trained / 'val.prototxt', '--weights', lively, f'--json={path}',
                     *more)
        assert result.exit_code == 0, result.output
        return json.loads(path.read_text())['score']['hist']
    plain = hist()
    assert hist('--scales', '1') == plain
    for more in (('--flip',), ('--scales', '0.75,1,1.25', '--flip'),
                 ('--flip', '--crf', 'deeplab-largefov')):
        found = hist(*more)
        assert found != plain and [sum(row) for row in found] == [sum(row) for row in plain]
    alone = tmp_path / 'val.prototxt'
    alone.write_text((trained / 'val.prototxt').read_text())
    (tmp_path / 'f.json').unlink()
    line = refused('score', alone, '--weights', lively, '--flip', status=2)
    assert f'--scales and --flip run the deploy net, and {tmp_path}/deploy.prototxt is not' in line
