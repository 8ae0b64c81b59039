"""fcn list: a line or a JSON object a net."""

import json

from netspec.variants import VARIANTS


def test_table(fcn) -> None:
    result = fcn('list')
    assert result.exit_code == 0 and result.stderr == ''
    head, *lines = result.stdout.splitlines()
    assert head.split()[:3] == ['name', 'stride', 'classes']
    assert [line.split()[0] for line in lines] == [n for n, v in VARIANTS.items() if v.init]
    by_name = {line.split()[0]: line for line in lines}
    assert by_name['voc-fcn8s'].split()[1:4] == ['8', '21', 'voc-fcn16s']
    assert '33+3' in by_name['siftflow-fcn8s']


def test_json(fcn) -> None:
    result = fcn('list', '--json', '--all')
    assert result.exit_code == 0
    rows = {row['name']: row for row in json.loads(result.stdout)}
    assert list(rows) == list(VARIANTS)
    expected = {'dataset': 'voc', 'stride': 32, 'classes': [21], 'inputs': ['data'],
                'splits': ['train', 'val'], 'init': ['VGG16'], 'base_lr': 1e-10, 'momentum': 0.99}
    assert rows['voc-fcn32s'].items() >= expected.items()
    assert rows['nyud-fcn32s-color-hha']['inputs'] == ['color', 'hha']
    assert rows['camvid-fcn8s']['classes'] == [11]
