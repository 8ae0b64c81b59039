"""port.data.colour_labels: colour-coded labels become index PNGs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from port.data.camvid import CLASSES
from port.data.colour_labels import (
    CAMVID_32,
    TABLES,
    class_list,
    convert_folder,
    read_table,
    resize,
    to_index,
)


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


@pytest.mark.parametrize('head', ['name,r,g,b\n', 'Name, R, G, B\n', ''])
def test_class_dict_csv(head: str, tmp_path: Path) -> None:
    path = tmp_path / 'class_dict.csv'
    path.write_text(f'{head}road,128,64,128\nmy car,1,2,3\n')
    names, table = class_list(path, 255)
    assert names == ['road', 'my car'] and table is not None
    assert table.indices == {(128, 64, 128): 0, (1, 2, 3): 1}
    path.write_text('road\ncar 2 # a comment\n\n')
    assert class_list(path, 255) == (['road', 'car 2'], None)


def test_a_line_with_an_index_does_not_move_the_next(tmp_path: Path) -> None:
    path = tmp_path / 'colours.txt'
    path.write_text('0 0 0 background\n255 0 0 255 ignored\n255 255 255 car\n')
    table = read_table(path)
    assert table.indices == {(0, 0, 0): 0, (255, 0, 0): 255, (255, 255, 255): 1}
    assert table.names == {0: 'background', 255: 'ignored', 1: 'car'}


def test_void_may_have_many_names_and_a_line_none(tmp_path: Path) -> None:
    path = tmp_path / 'colours.txt'
    path.write_text('0 0 0 255 edge\n1 0 0 255 dirt\n2 0 0 4\n3 0 0 4 van\n4 0 0 4\n5 0 0 7\n')
    table = read_table(path)
    assert table.names == {255: 'edge', 4: 'van', 7: '7'}
    assert [table.indices[i, 0, 0] for i in range(6)] == [255, 255, 4, 4, 4, 7]
    assert table.palette[4].tolist() == [2, 0, 0]


@pytest.mark.parametrize(('text', 'error'), [
    ('0 0 0 a\n0 0 zero b\n', r"t\.txt:2: expected lines 'R G B name'"),
    ('0 0 0 a\n0 0 0 b\n', r't\.txt:2: colour \(0, 0, 0\) stands for 1 and for 0'),
    ('0 0 256 a\n', r't\.txt:1: colours and indices are 0\.\.255'),
    ('0 0 0 256 a\n', r't\.txt:1: colours and indices are 0\.\.255'),
    ('0 0 0 1 van\n1 1 1 a\n2 2 2 b\n',
     r"t\.txt:3: 'b' counts as class 1, which an earlier line gave to 'van'"),
    (''.join(f'0 0 {i} c{i}\n' for i in range(256)) + '0 1 0 c\n',
     r't\.txt:257: colours and indices are 0\.\.255, got 256'),
    ('# nothing\n', r't\.txt: holds no colours')])
def test_wrong_tables_name_the_line(text: str, error: str, tmp_path: Path) -> None:
    (tmp_path / 't.txt').write_text(text)
    with pytest.raises(ValueError, match=error):
        read_table(tmp_path / 't.txt')


def test_two_images_of_one_name_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / 'in').mkdir()
    for name in ('x.bmp', 'x_L.png'):
        save(tmp_path / 'in' / name, [[(0, 0, 0)]])
    with pytest.raises(ValueError, match=r'in/x\.bmp and .*in/x_L\.png would both become '
                                         r'.*out/x\.png'):
        convert_folder(tmp_path / 'in', tmp_path / 'out', TABLES['voc'](), strip='_L')
    assert {path.name for path in tmp_path.iterdir()} == {'in'}
    convert_folder(tmp_path / 'in', tmp_path / 'out', TABLES['voc']())
    assert {path.name for path in (tmp_path / 'out').iterdir()} == {'x.png', 'x_L.png'}


def test_folders_within_are_kept(tmp_path: Path) -> None:
    (tmp_path / 'in/day/one').mkdir(parents=True)
    save(tmp_path / 'in/a.png', [[(0, 0, 0)]])
    save(tmp_path / 'in/day/one/a_L.bmp', [[(128, 0, 0)]])
    counts = convert_folder(tmp_path / 'in', tmp_path / 'out', TABLES['voc'](), strip='_L')
    assert counts == {0: 1, 1: 1} and index(tmp_path / 'out/day/one/a.png') == [[1]]
    assert index(tmp_path / 'out/a.png') == [[0]]


def test_a_target_within_the_source_is_not_read(tmp_path: Path) -> None:
    save(tmp_path / 'a.png', [[(0, 0, 0)]])
    for _ in range(2):
        assert convert_folder(tmp_path, tmp_path / 'out', TABLES['voc']()) == {0: 1}
    assert {p.name for p in tmp_path.rglob('*')} == {'a.png', 'out'}
    assert [p.name for p in (tmp_path / 'out').iterdir()] == ['a.png']


def test_indices_are_resized_by_the_nearest(tmp_path: Path) -> None:
    labels = np.random.RandomState(0).randint(0, 12, (9, 14)).astype(np.uint8)
    for width, height in ((4, 3), (14, 9), (28, 27)):
        nearest = [[labels[int((y + .5) * 9 / height), int((x + .5) * 14 / width)]
                    for x in range(width)] for y in range(height)]
        assert resize(labels, (width, height)).tolist() == nearest
    (tmp_path / 'in').mkdir()
    save(tmp_path / 'in/a.png', [[(0, 0, 0)] * 2 + [(128, 0, 0)] * 2] * 2)
    counts = convert_folder(tmp_path / 'in', tmp_path / 'out', TABLES['voc'](), size=(2, 1))
    assert index(tmp_path / 'out/a.png') == [[0, 1]] and counts == {0: 1, 1: 1}


def test_folders_are_checked(tmp_path: Path) -> None:
    table = TABLES['voc']()
    with pytest.raises(FileNotFoundError, match='nosuch: no such folder; expected the folder of '
                                                'the colour-coded label images'):
        convert_folder(tmp_path / 'nosuch', tmp_path / 'out', table)
    with pytest.raises(FileNotFoundError, match='holds no label images'):
        convert_folder(tmp_path, tmp_path / 'out', table)
    save(tmp_path / 'a.png', [[(0, 0, 0)]])
    with pytest.raises(ValueError, match='is the folder of the colour images too'):
        convert_folder(tmp_path, tmp_path, table)
