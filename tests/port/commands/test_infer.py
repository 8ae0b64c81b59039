"""fcn infer: labels of the picture's own size in the palette's colours, and overlays."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec.families.fcn import fcn as make_net
from netspec.schema import print_net
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from port.crf import lattice, refine
from port.engine.net import Net
from port.engine.random_weights import random_weights

WIDTH = '0.03125'
MEAN = np.array((104.00699, 116.66877, 122.67892))       # BGR, as published


def opened(path: Path) -> Image.Image:
    """Read a picture whole and close its file."""
    with Image.open(path) as image:
        image.load()
        return image


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Pictures of odd sizes and several kinds."""
    rng, folder = np.random.RandomState(7), tmp_path / 'photos'
    folder.mkdir()
    for name, mode, size in (('a.png', 'RGB', (61, 37)), ('b.jpg', 'RGB', (33, 50)),
                             ('c.png', 'L', (47, 31)), ('d.png', 'RGBA', (40, 41))):
        bands = len(Image.new(mode, (1, 1)).getbands())
        pixels = rng.randint(0, 256, (size[1], size[0], bands)).astype(np.uint8)
        Image.fromarray(pixels.squeeze(), mode if bands != 1 else None).save(folder / name)
    (folder / 'notes.txt').write_text('no picture')
    return folder


def plain_labels(model: Path, weights: Path, picture: Path) -> np.ndarray:
    """The published infer.py, step by step."""
    net = Net(model, TEST, weights=weights)
    pixels = np.array(opened(picture).convert('RGB'), dtype=np.float32)
    pixels = pixels[:, :, ::-1] - MEAN
    net.forward(data=pixels.transpose(2, 0, 1)[None].astype(np.float32))
    return net.blobs['score'].data[0].numpy().argmax(0)


def test_folder_of_any_sizes(photos: Path, trained: Path, lively: Path, tmp_path: Path,
                             fcn) -> None:
    out = tmp_path / 'new' / 'labels'
    result = fcn('infer', 'voc-fcn32s', '--weights', lively, '--width', WIDTH, '--out', out, photos)
    assert result.exit_code == 0 and result.stderr == ''
    assert result.stdout == f'labelled 4 picture(s) into {out}\n'
    assert sorted(p.name for p in out.iterdir()) == sorted(
        f'{stem}{end}.png' for stem in 'abcd' for end in ('', '_overlay'))
    seen = set()
    for picture in photos.glob('?.*'):
        labels = opened(out / f'{picture.stem}.png')
        assert labels.mode == 'P' and labels.size == opened(picture).size
        expected = plain_labels(trained / 'deploy.prototxt', lively, picture)
        assert np.array_equal(np.asarray(labels), expected)
        seen |= set(np.unique(expected))
        overlay = opened(out / f'{picture.stem}_overlay.png')          # a legend stands below
        assert overlay.width == labels.width and overlay.height > labels.height
    assert len(seen) > 1


def voc_colour(label: int) -> list[int]:
    """The colour of a VOC class: the label's bits, spread over the channels from the top."""
    colour = [0, 0, 0]
    for bit in range(8):
        colour[bit % 3] |= (label >> bit & 1) << 7 - bit // 3
    return colour


def test_palette(photos: Path, lively: Path, tmp_path: Path, fcn) -> None:
    assert fcn('infer', 'voc-fcn32s', '--weights', lively, '--width', WIDTH, '--out', tmp_path,
               photos / 'b.jpg').exit_code == 0
    palette = opened(tmp_path / 'b.png').getpalette()
    assert [palette[3 * i:3 * i + 3] for i in range(21)] == [voc_colour(i) for i in range(21)]


def test_other_model_and_classes(photos: Path, scenes, tmp_path: Path, fcn) -> None:
    """NET may be a deploy file, of which --mean must be known; its score_fr says 2."""
    text = print_net(make_net(VARIANTS['voc-fcn32s'], 'deploy', width=float(WIDTH), classes=4))
    (tmp_path / 'deploy.prototxt').write_text(text)
    net = Net(tmp_path / 'deploy.prototxt', TEST)
    net.params['score_fr'][1].data[2] = 1.0
    net.save(tmp_path / 'w.caffemodel')
    result = fcn('infer', tmp_path / 'deploy.prototxt', '--weights', tmp_path / 'w.caffemodel',
                 '--mean', 'voc-fcn32s', '--out', tmp_path / 'out', photos / 'a.png')
    assert result.exit_code == 0
    labels = np.asarray(opened(tmp_path / 'out' / 'a.png'))
    assert labels.shape == (37, 61) and (labels == 2).all()


def test_warns_of_missing_weights(photos: Path, tmp_path: Path, trained: Path, fcn,
                                  caplog) -> None:
    net = Net(trained / 'deploy.prototxt', TEST)
    for blob in net.params['conv3_1']:
        blob.data.zero_()
    net.save(tmp_path / 'w.caffemodel')
    result = fcn('infer', 'voc-fcn32s', '--weights', tmp_path / 'w.caffemodel', '--width', WIDTH,
                 '--out', tmp_path / 'out', photos / 'a.png')
    assert result.exit_code == 0
    (warning,) = [r.getMessage() for r in caplog.records if r.levelname == 'WARNING']
    assert 'NO WEIGHTS in conv3_1' in warning


def test_heads_and_the_whole_padding(photos: Path, tmp_path: Path, fcn, refused) -> None:
    net = Net(make_net(VARIANTS['siftflow-fcn16s'], 'deploy', width=float(WIDTH)), TEST)
    random_weights(net, 5)
    net.save(tmp_path / 'w.caffemodel')
    shared = ('infer', 'siftflow-fcn16s', '--weights', tmp_path / 'w.caffemodel', '--width', WIDTH,
              photos / 'a.png')
    found = {}
    for layer, more in (('score_sem', ()), ('score_geo', ('--output', 'score_geo')),
                        ('score_geo', ('--output', 'score_geo', '--exact'))):
        assert fcn(*shared, *more, '--out', tmp_path / 'out').exit_code == 0
        labels = np.asarray(opened(tmp_path / 'out/a.png'))
        rgb = np.asarray(opened(photos / 'a.png'), np.float32)[:, :, ::-1]
        net.forward(data=(rgb - VARIANTS['siftflow-fcn16s'].mean).transpose(2, 0, 1)[None])
        assert np.array_equal(labels, net.blobs[layer].data[0].argmax(0).numpy())
        found[more] = labels
    assert found[()].max() > 2 >= found['--output', 'score_geo'].max()
    assert 'score_geo, score_sem' in refused(*shared, '--output', 'score', '--out', tmp_path / 'x')


@pytest.mark.parametrize('layer, shape', [('pool3', [8, 30, 33]), ('fc7', [128, 2, 3]),
                                          ('upscore', [21, 96, 128])])
def test_a_blob_of_another_size(layer: str, shape: list[int], photos: Path, lively: Path,
                                tmp_path: Path, refused) -> None:
    for more in ((), ('--exact',)):
        line = refused('infer', 'voc-fcn32s', '--weights', lively, '--width', WIDTH, '--out',
                       tmp_path / 'out', photos / 'a.png', '--output', layer, *more)
        assert f"blob '{layer}' has the shape {shape}" in line
        assert 'the picture is 37 high and 61 wide' in line
        assert line.endswith('the outputs to label by are score')


def test_a_net_of_one_size_says_so(photos: Path, tmp_path: Path, refused) -> None:
    net = Net(make_net(VARIANTS['camvid-segnet-basic'], 'deploy', width=float(WIDTH)), TEST)
    net.save(tmp_path / 'w.caffemodel')
    line = refused('infer', 'camvid-segnet-basic', '--weights', tmp_path / 'w.caffemodel',
                   '--width', WIDTH, photos / 'a.png', '--out', tmp_path / 'x')
    assert (f'{photos / "a.png"}: 37x61: camvid-segnet-basic is made for images of 360x480 '
            '(height x width); resize it') in line


def test_one_bad_picture_does_not_stop_the_others(photos: Path, lively: Path, tmp_path: Path,
                                                  fcn) -> None:
    names = ['a', 'b', 'c', 'd']
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(photos / 'a16.png')
    (photos / 'a_cut.png').write_bytes((photos / 'a.png').read_bytes()[:200])
    done = fcn('infer', 'voc-fcn32s', '--weights', lively, '--width', WIDTH, '--out',
               tmp_path / 'out', photos)
    assert done.exit_code == 1 and sorted(
        p.stem for p in (tmp_path / 'out').iterdir() if 'overlay' not in p.stem) == names
    lines = done.output.splitlines()
    assert 'a16.png: the image has mode I;16; expected 8 bits a channel; save it with 8' in lines[0]
    assert 'a_cut.png: the image cannot be read' in lines[1]
    assert lines[2].endswith(f'2 problem(s), listed above; labelled {len(names)} picture(s) into '
                             f'{tmp_path / "out"}')


def test_refusals(photos: Path, lively: Path, tmp_path: Path, refused) -> None:
    def line(*args: object) -> str:
        return refused('infer', 'voc-fcn32s', '--weights', lively, '--width', WIDTH, *args)
    out = ('--out', tmp_path / 'out')
    assert f'{photos / "e.png"}: no such image' in line(*out, photos, photos / 'e.png')
    (tmp_path / 'empty').mkdir()
    assert f'{tmp_path / "empty"}: no pictures in this folder' in line(*out, tmp_path / 'empty')
    assert 'over a picture' in line('--out', photos, photos / 'a.png')
    (tmp_path / 'a.jpg').write_bytes((photos / 'b.jpg').read_bytes())
    both = line(*out, photos / 'a.png', tmp_path / 'a.jpg')
    assert 'over one another' in both and str(tmp_path / 'a.jpg') in both
    broken = photos / 'broken.jpg'
    broken.write_bytes(b'\xff\xd8\xff nothing')
    assert f'{broken}: the image cannot be read' in line(*out, broken)


def test_net_of_two_inputs(photos: Path, tmp_path: Path, refused) -> None:
    net = Net(make_net(VARIANTS['nyud-fcn32s-color-hha'], 'deploy', width=float(WIDTH)), TEST)
    net.save(tmp_path / 'w.caffemodel')
    line = refused('infer', 'nyud-fcn32s-color-hha', '--weights', tmp_path / 'w.caffemodel',
                   '--width', WIDTH, '--out', tmp_path / 'out', photos)
    assert 'the net takes 2 inputs (color, hha)' in line


@pytest.mark.parametrize('asked', ['deeplab-largefov', '3,3,4,121,5'])
def test_crf(asked: str, photos: Path, trained: Path, lively: Path, tmp_path: Path, fcn) -> None:
    """The scores of the net, refined on the plain RGB picture."""
    done = fcn('infer', 'voc-fcn32s', '--weights', lively, '--width', WIDTH, '--crf', asked,
               '--out', tmp_path / 'out', photos / 'a.png', photos / 'b.jpg')
    assert done.exit_code == 0
    for name in ('a.png', 'b.jpg'):
        rgb = np.array(opened(photos / name))
        net = Net(trained / 'deploy.prototxt', TEST, weights=lively)
        net.forward(data=(rgb[:, :, ::-1] - MEAN).transpose(2, 0, 1)[None].astype(np.float32))
        scores = net.blobs['score'].data[0].numpy()
        expected = refine(scores, rgb, [('gaussian', 3, 3), ('bilateral', 4, 121, 5)]).argmax(0)
        labels = np.asarray(opened(tmp_path / 'out' / f'{Path(name).stem}.png'))
        assert (labels == expected).mean() > .999        # the predictor's scores are rounded apart
        assert (labels != scores.argmax(0)).any()


def test_crf_refused(photos: Path, lively: Path, tmp_path: Path, refused) -> None:
    def line(text: str) -> str:
        return refused('infer', 'voc-fcn32s', '--weights', lively, '--width', WIDTH, '--crf', text,
                       '--out', tmp_path / 'x', photos / 'a.png', status=2)
    assert "did you mean 'deeplab-7x7'" in line('deeplab-7x8')
    assert 'has 3 number(s); expected five: pos_w,pos_xy,bi_w,bi_xy,bi_rgb' in line('3,3,4')
    assert 'expected standard deviations above 0' in line('3,3,4,0,5')
    assert not (tmp_path / 'x').exists()


def test_crf_beyond_memory(photos: Path, lively: Path, tmp_path: Path, monkeypatch,
                           refused) -> None:
    """Nothing is written of a picture that there is no room for."""
    said = tmp_path / 'meminfo'
    said.write_text('MemAvailable: 9 kB\n')
    monkeypatch.setattr(lattice, 'MEMINFO', said)
    line = refused('infer', 'voc-fcn32s', '--weights', lively, '--width', WIDTH, '--crf',
                   'deeplab-largefov', '--out', tmp_path / 'x', photos / 'a.png')
    assert f'{photos / "a.png"}: the mean field of 2257 points and 21 classes takes about' in line
    assert not (tmp_path / 'x').exists()


def test_no_result_takes_the_place_of_another(photos: Path, lively: Path, tmp_path: Path,
                                              refused) -> None:
    """The overlay of a.png and the labels of a_overlay.jpg have one name."""
    (photos / 'a_overlay.jpg').write_bytes((photos / 'b.jpg').read_bytes())
    line = refused('infer', 'voc-fcn32s', '--weights', lively, '--width', WIDTH, '--out',
                   tmp_path / 'out', photos)
    assert f'{photos / "a.png"} and {photos / "a_overlay.jpg"}: the labels would go to' in line
    assert not (tmp_path / 'out').exists()


def test_what_was_not_made_here_stays(photos: Path, lively: Path, tmp_path: Path, fcn,
                                      refused) -> None:
    """Labelling again replaces labels; another's file, a link or a folder of the name stays."""
    out = tmp_path / 'out'
    args = ('infer', 'voc-fcn32s', '--weights', lively, '--width', WIDTH, '--out', out,
            photos / 'a.png')
    assert fcn(*args).exit_code == 0 and fcn(*args).exit_code == 0
    for name in ('a.png', 'a_overlay.png'):
        place = out / name
        own = place.read_bytes()
        for content in (b'mine', (photos / 'a.png').read_bytes()):
            place.write_bytes(content)
            assert f'{place}, which is there and was not made by fcn infer' in refused(*args)
            assert place.read_bytes() == content
        place.unlink()
        place.symlink_to(tmp_path / 'nowhere')
        assert 'which is there and was not made' in refused(*args)
        place.unlink()
        place.write_bytes(own)
    assert fcn(*args).exit_code == 0


def test_what_is_no_file_does_not_stop_the_others(photos: Path, lively: Path, tmp_path: Path,
                                                  fcn) -> None:
    (photos / 'e.png').symlink_to(photos / 'gone.png')
    os.mkfifo(photos / 'f.png')
    (photos / 'g.png').mkdir()
    done = fcn('infer', 'voc-fcn32s', '--weights', lively, '--width', WIDTH, '--out',
               tmp_path / 'out', photos)
    lines = done.output.splitlines()
    assert done.exit_code == 1 and len(list((tmp_path / 'out').iterdir())) == 8
    for line, name in zip(lines, 'efg', strict=False):
        assert f'{photos / name}.png: is no file, but a broken link, a pipe or a folder' in line
    assert '3 problem(s)' in lines[3] and 'labelled 4 picture(s)' in lines[3]


def test_saves_what_is_asked_for(photos: Path, lively: Path, tmp_path: Path, fcn) -> None:
    shared = ('infer', 'voc-fcn32s', '--weights', lively, '--width', WIDTH, photos / 'a.png')
    for kinds, names in (('labels', {'a.png'}), ('overlay,labels', {'a.png', 'a_overlay.png'}),
                         ('probabilities', {'a_probabilities.npz'})):
        out = tmp_path / kinds.replace(',', '')
        assert fcn(*shared, '--save', kinds, '--out', out).exit_code == 0
        assert {p.name for p in out.iterdir()} == names
    again = fcn(*shared, '--save', 'probabilities', '--out', tmp_path / 'probabilities', '--resume')
    assert again.stdout.startswith('labelled 0 picture(s)')
    with np.load(tmp_path / 'probabilities' / 'a_probabilities.npz') as file:
        shares, labels = file['probabilities'], np.asarray(opened(tmp_path / 'labels' / 'a.png'))
        assert file['names'][0] == 'background'
    assert shares.shape == (21, 37, 61) and np.array_equal(shares.argmax(0), labels)
    assert np.allclose(shares.sum(0), 1, atol=1e-5)


def test_several_views_and_a_crf_on_their_mean(photos: Path, lively: Path, tmp_path: Path,
                                               fcn) -> None:
    shared = ('infer', 'voc-fcn32s', '--weights', lively, '--width', WIDTH, photos / 'a.png',
              '--save', 'labels,probabilities')
    found = {}
    for name, more in (('one', ()), ('same', ('--scales', '1')), ('flip', ('--flip',)),
                       ('more', ('--scales', '0.75,1,1.25', '--flip')),
                       ('crf', ('--flip', '--crf', 'deeplab-largefov'))):
        result = fcn(*shared, '--out', tmp_path / name, *more)
        assert result.exit_code == 0, result.output
        with np.load(tmp_path / name / 'a_probabilities.npz') as file:
            found[name] = file['probabilities']
    assert np.array_equal(found['one'], found['same'])
    for name in ('flip', 'more', 'crf'):
        assert not np.array_equal(found['one'], found[name])
        assert np.allclose(found[name].sum(0), 1, atol=1e-5)


def test_a_turned_photograph_stands_upright(lively: Path, tmp_path: Path, fcn) -> None:
    """As a telephone writes it: pixels lying on their side, and a note which side is up."""
    pixels = np.random.RandomState(3).randint(0, 256, (40, 30, 3)).astype(np.uint8)
    upright = Image.fromarray(pixels)
    upright.save(tmp_path / 'up.png')
    note = Image.Exif()
    note[0x112] = 6                                  # turn by a quarter, clockwise, to see it
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / 'phone.png', exif=note)
    for how in ((), ('--tile', '20x20')):
        assert fcn('infer', 'voc-fcn32s', '--weights', lively, '--width', WIDTH, '--out',
                   tmp_path / 'out', tmp_path / 'up.png', tmp_path / 'phone.png',
                   *how).exit_code == 0
        for end in ('', '_overlay'):
            up, phone = (np.asarray(opened(tmp_path / f'out/{name}{end}.png'))
                         for name in ('up', 'phone'))
            assert np.array_equal(up, phone)


def test_memory_does_not_grow_with_the_pictures(lively: Path, tmp_path: Path, fcn,
                                                monkeypatch) -> None:
    """Pictures of four sizes over and over: what the first 30 took, 80 do not exceed. To keep the
    scores of each, or its activations, would add over 70 MB.
    """
    from port.engine.memory import resident
    from port.predict import saved
    rng, folder, taken = np.random.RandomState(3), tmp_path / 'many', []
    folder.mkdir()
    for i in range(80):
        size = 150 + 10 * (i % 4), 110
        Image.fromarray(rng.randint(0, 256, (*size, 3)).astype(np.uint8)).save(folder / f'{i}.bmp')
    save = saved.save

    def measured(*args) -> None:
        save(*args)
        taken.append(resident())
    monkeypatch.setattr(saved, 'save', measured)
    assert fcn('infer', 'voc-fcn32s', '--weights', lively, '--width', WIDTH, '--out',
               tmp_path / 'out', folder).exit_code == 0
    assert len(taken) == 80 and max(taken[30:]) < max(taken[:30]) + 20e6
