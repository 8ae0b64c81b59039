"""docs/onnx.md: its lines of ONNX Runtime give what `fcn infer` gives, on a turned photograph."""

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from port.cli import main
from port.data.scenes import draw_dataset

ROOT = Path(__file__).resolve().parents[1]


def test_the_ten_lines_reproduce_fcn_infer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / 'docs' / 'onnx.md').read_text()
    (code,) = re.findall(r'^```python\n(.*?)^```', text, re.M | re.S)
    (command,) = re.findall(r'^fcn (export .*)$', text.split('```python')[0], re.M)
    assert len(code.splitlines()) == 10
    scenes = draw_dataset(tmp_path / 'data', 1, 1, (96, 120)) / 'pascal/VOC2011/JPEGImages'
    note = Image.Exif()
    note[0x112] = 8                                   # lies on its side
    with Image.open(next(scenes.glob('val*.jpg'))) as image:
        image.save(tmp_path / 'street.jpg', exif=note, quality=95)
    monkeypatch.chdir(tmp_path)
    for args in (command.split()[:-1], ['infer', 'camvid-fcn4s-squeezenet', 'street.jpg']):
        done = CliRunner().invoke(main, args)
        assert done.exit_code == 0, done.output
    found: dict = {}
    exec(compile(code, 'docs/onnx.md', 'exec'), found)             # noqa: S102
    labels = np.asarray(Image.open('street.png'))
    assert labels.shape == found['labels'].shape == (120, 96) and len(np.unique(labels)) > 1
    assert (labels == found['labels']).mean() >= 0.9999            # as --compare asks
