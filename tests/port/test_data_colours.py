"""port.data.colours: colour-coded labels become index PNGs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from port.data.camvid import CLASSES
from port.data.colours import CAMVID_32, TABLES, convert_folder, read_table, to_index


def save(path: Path, colours: list[list[tuple[int, int, int]]]) -> None:
    Image.fromarray(np.array(colours, np.uint8)).save(path)


def index(path: Path) -> list[list[int]]:
    with Image.open(path) as image:
        return np.asarray(image).tolist()


def test_vocs_colours_become_indices_that_look_the_same(tmp_path: Path) -> None:
    (tmp_path / 'in').mkdir()
    save(tmp_path / 'in/a.png', [[(0, 0, 0), (128, 0, 0)], [(0, 64, 128), (224, 224, 192)]])
    counts = convert_folder(tmp_path / 'in', tmp_path / 'out', TABLES['voc']())
    assert index(tmp_path / 'out/a.png') == [[0, 1], [20, 255]]
    assert counts == {0: 1, 1: 1, 20: 1, 255: 1}
    shown = np.asarray(Image.open(tmp_path / 'out/a.png').convert('RGB'))
    assert np.array_equal(shown, np.asarray(Image.open(tmp_path / 'in/a.png')))


def test_camvid_groups_32_colours_into_11_classes_and_void(tmp_path: Path) -> None:
    colours = [colour for colour, _ in CAMVID_32.values()]
    assert len(set(colours)) == 32
    table = TABLES['camvid']()
    found = to_index(np.array([colours], np.uint8), table.lookup(), Path('x'))[0]
    groups = dict(zip(CAMVID_32, found.tolist(), strict=True))
    assert set(found.tolist()) == set(range(12)) and groups['Void'] == 11
    for i, name in enumerate(CLASSES):
        original = {'Pole': 'Column_Pole', 'Pavement': 'Sidewalk'}.get(name, name)
        assert groups[original] == i
    assert groups['Truck_Bus'] == groups['Car'] and groups['LaneMkgsDriv'] == groups['Road']
    every = to_index(np.array([colours], np.uint8), TABLES['camvid32']().lookup(), Path('x'))
    assert every[0].tolist() == list(range(32))


def test_names_lose_their_ending(tmp_path: Path) -> None:
    (tmp_path / 'in').mkdir()
    save(tmp_path / 'in/0001TP_006690_L.png', [[(128, 64, 128)]])
    convert_folder(tmp_path / 'in', tmp_path / 'out', TABLES['camvid'](), strip='_L')
    assert index(tmp_path / 'out/0001TP_006690.png') == [[3]]


def test_an_unknown_colour_is_named_or_given_an_index(tmp_path: Path) -> None:
    (tmp_path / 'in').mkdir()
    save(tmp_path / 'in/a.png', [[(0, 0, 0), (1, 2, 3)], [(1, 2, 3), (9, 9, 9)]])
    with pytest.raises(ValueError, match=r'a\.png: colour \(1, 2, 3\) at x=1, y=0 is not in the '
                                         r'table \(3 such pixels of 2 colours\)'):
        convert_folder(tmp_path / 'in', tmp_path / 'out', TABLES['voc']())
    assert {path.name for path in tmp_path.iterdir()} == {'in'}
    convert_folder(tmp_path / 'in', tmp_path / 'out', TABLES['voc'](), unknown=255)
    assert index(tmp_path / 'out/a.png') == [[0, 255], [255, 255]]


def test_a_users_table(tmp_path: Path) -> None:
    path = tmp_path / 'colours.txt'
    path.write_text('# r g b name\n0 0 0 ground\n10, 20, 30, my car\n\n40 50 60 1 van # too\n'
                    '7 7 7 255 void\n')
    table = read_table(path)
    assert table.indices == {(0, 0, 0): 0, (10, 20, 30): 1, (40, 50, 60): 1, (7, 7, 7): 255}
    assert table.names == {0: 'ground', 1: 'my car', 255: 'void'}
    assert table.palette[1].tolist() == [10, 20, 30]


@pytest.mark.parametrize(('text', 'error'), [
    ('0 0 0 a\n0 0 zero b\n', r"t\.txt:2: expected 'R G B name'"),
    ('0 0 0 a\n0 0 0 b\n', r't\.txt:2: colour \(0, 0, 0\) stands for 1 and for 0'),
    ('0 0 256 a\n', r't\.txt:1: colours and indices are 0\.\.255'),
    ('0 0 0 256 a\n', r't\.txt:1: colours and indices are 0\.\.255'),
    ('# nothing\n', r't\.txt: holds no colours')])
def test_wrong_tables_name_the_line(text: str, error: str, tmp_path: Path) -> None:
    (tmp_path / 't.txt').write_text(text)
    with pytest.raises(ValueError, match=error):
        read_table(tmp_path / 't.txt')


def test_folders_are_checked(tmp_path: Path) -> None:
    table = TABLES['voc']()
    with pytest.raises(FileNotFoundError, match='holds no label images'):
        convert_folder(tmp_path, tmp_path / 'out', table)
    save(tmp_path / 'a.png', [[(0, 0, 0)]])
    with pytest.raises(ValueError, match='is the folder of the colour images too'):
        convert_folder(tmp_path, tmp_path, table)
