"""docs/adding-a-layer.md keeps its word: its two files and its row, as they stand there, are a
layer type that every part of the project knows.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / 'docs' / 'adding-a-layer.md'
BLOCK = re.compile(r'^```python\n# (\S+?)(?:, in LAYER_TYPES)?\n(.*?)^```$', re.M | re.S)
TABLE = 'netspec/layer_types.py'
FRAME = ('netspec', 'surgery', 'port', 'pyproject.toml', 'tests/conftest.py',
         'tests/port/conftest.py', 'tests/port/layers/conftest.py',
         'tests/port/engine/test_registry.py')
# What works for the new type though nothing but its row says how.
PROOF = '''
import numpy as np
import torch
from netspec import NetSpec, crop
from netspec import layers as L
from netspec.coord_map import coord_map
from netspec.schema.messages import TEST
from port.describe.draw import blocks_of
from port.describe.net_shapes import shaped_net
from port.describe.summary import summarize
from port.engine.net import Net
from port.export.onnx_file import export
from port.fast.inference import FastNet

n = NetSpec()
n.data = L.Input(shape=dict(dim=[1, 3, 20, 30]))
n.conv = L.Convolution(n.data, num_output=4, kernel_size=3, pad=10,
                       weight_filler=dict(type='gaussian', std=9))
n.six = L.ReLU6(n.conv)
n.score = crop(n.six, n.data)
param = n.to_proto()
assert param.layer[-1].crop_param.offset == [9]
assert coord_map(n.six.fn) == (None, 1, 0)

row = {row.layer: row for row in summarize(shaped_net(param, TEST))}['six']
assert row.shape == (1, 4, 38, 48) and row.learnt == 0
assert row.place.offset == (-9, -9) and row.place.field == (3, 3)

net = Net(param, TEST)
boxes, _ = blocks_of(shaped_net(param, TEST))
assert ('six', 'ReLU6') in [line for box in boxes for line in box.lines]
image = torch.from_numpy(np.random.RandomState(0).rand(1, 3, 20, 30).astype('f'))
scores, fast = net.forward(data=image)['score'], FastNet(net)(data=image)['score']
assert 0 < scores.max() <= 6 and torch.equal(scores > 0, fast > 0)
assert (scores - fast).abs().max() < 1e-5 * scores.max()        # two orders of summation
try:
    export(net, 'net.onnx')
except ValueError as error:
    print(error)
'''


def snippets() -> dict[str, str]:
    """Return path -> text of the files and the row that the page shows."""
    return dict(BLOCK.findall(PAGE.read_text(encoding='utf-8')))


@pytest.fixture(scope='module')
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project without its other tests, and with the page's files and row."""
    folder = tmp_path_factory.mktemp('project')
    for name in FRAME:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)          # compiled files too: they save seconds
        else:
            shutil.copyfile(source, target)
    for name, text in snippets().items():
        if name == TABLE:
            table, start = (folder / TABLE).read_text(), 'LAYER_TYPES: dict[str, LayerType] = {\n'
            assert table.count(start) == 1
            (folder / TABLE).write_text(table.replace(start, start + text))
        else:
            assert not (ROOT / name).exists()
            (folder / name).write_text(text)
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True,
                          timeout=120,
                          env=os.environ | {'PYTHONPATH': str(folder), 'OMP_NUM_THREADS': '1'})


def test_ten_lines_and_a_row() -> None:
    layer, row, test = snippets().items()
    assert layer[0].startswith('port/layers/') and test[0].startswith('tests/port/layers/test_')
    assert row[0] == TABLE and len(row[1].splitlines()) == 1
    assert len(layer[1].splitlines()) <= 10 and len(test[1].splitlines()) <= 10


def test_the_page_works_as_it_stands(copy: Path) -> None:
    """The layer's own test passes, its gradient's check too, and the rules for every type."""
    done = run(copy, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', FRAME[-1],
               list(snippets())[-1], '-k', 'relu6 or ReLU6 or every_type_has_a_row')
    assert done.returncode == 0, done.stdout + done.stderr
    assert '4 passed' in done.stdout


def test_all_else_knows_the_type_by_its_row(copy: Path) -> None:
    """The generator, summary, draw, and the fast engine; export refuses it by name."""
    done = run(copy, '-c', PROOF)
    assert done.returncode == 0, done.stderr
    assert "layer 'six'" in done.stdout and 'ReLU6 has no ONNX form' in done.stdout
    assert not (copy / 'net.onnx').exists()


def test_a_type_without_its_row_is_refused(copy: Path) -> None:
    """Where the row is forgotten, the first look at the layers says where it belongs."""
    table = copy / TABLE
    with_row = table.read_text()
    table.write_text(with_row.replace(snippets()[TABLE], ''))
    try:
        done = run(copy, '-c', 'from port.engine.registry import known_types; known_types()')
    finally:
        table.write_text(with_row)
    assert done.returncode == 1 and "'ReLU6' (port.layers.relu6) has no row" in done.stderr


def test_files_named_on_the_page_exist() -> None:
    made = set(snippets())
    for name in re.findall(r'`((?:port|tests|netspec)/\S+?\.(?:py|proto))`', PAGE.read_text()):
        assert name in made or (ROOT / name).is_file(), name
