"""fcn list: a line or a JSON object a net."""

import json

from netspec.variants import VARIANTS


def test_table(fcn) -> None:
    result = fcn('list')
    assert result.exit_code == 0 and result.stderr == ''
    head, *lines = result.stdout.splitlines()
    assert head.split()[:3] == ['name', 'stride', 'classes']
    assert [line.split()[0] for line in lines] == [*VARIANTS]
    by_name = {line.split()[0]: line for line in lines}
    assert by_name['voc-fcn8s'].split()[1:4] == ['8', '21', 'voc-fcn16s']
    assert 'random weights' in by_name['camvid-fcn-basic']
    assert '33+3' in by_name['siftflow-fcn8s']


def test_json(fcn) -> None:
    result = fcn('list', '--json')
    assert result.exit_code == 0
    rows = {row['name']: row for row in json.loads(result.stdout)}
    assert list(rows) == list(VARIANTS)
    expected = {'dataset': 'voc', 'stride': 32, 'classes': [21], 'inputs': ['data'],
                'splits': ['train', 'val'], 'init': ['VGG16'], 'base_lr': 1e-10, 'momentum': 0.99}
    assert rows['voc-fcn32s'].items() >= expected.items()
    assert rows['nyud-fcn32s-color-hha']['inputs'] == ['color', 'hha']
    assert rows['camvid-fcn8s']['classes'] == [11]


def test_json_alone_prints_and_a_file_is_named_behind_a_sign(tmp_path, fcn) -> None:
    """So that what follows --json is NET: a net is not taken for a file to write."""
    printed = fcn('summary', '--json', 'voc-fcn32s')
    assert printed.exit_code == 0
    assert printed.stdout == fcn('summary', 'voc-fcn32s', '--json').stdout
    written = fcn('summary', f'--json={tmp_path / "s.json"}', 'voc-fcn32s')
    assert written.exit_code == 0 and 'receptive field' in written.stdout
    assert json.loads((tmp_path / 's.json').read_text()) == json.loads(printed.stdout)
    refused = fcn('list', '--json', tmp_path / 'l.json')
    assert refused.exit_code == 2 and not (tmp_path / 'l.json').exists()
    assert f'--json {tmp_path / "l.json"} is now --json={tmp_path / "l.json"}' in refused.stderr
