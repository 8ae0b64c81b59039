"""The page of `fcn serve` in a real browser: a picture, its labels, classes, stages, download."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.browser
NARROW, WIDE = 390, 1280                  # a telephone, a laptop


@pytest.fixture
def file(picture, tmp_path: Path) -> Path:
    path = tmp_path / 'street.png'
    path.write_bytes(picture)
    return path


def labelled(visit, site, file: Path, width: int = WIDE, dark: bool = False):
    seen = visit(site.url, width, dark)
    seen.page.set_input_files('#file', file)
    seen.page.get_by_text('labelled in').wait_for()
    return seen


def over(page, stage: int) -> np.ndarray:
    """The pixels of a stage's labels on the page, H x W x 4."""
    size, values = page.locator('canvas.over').nth(stage).evaluate(
        'c => [[c.height, c.width], [...c.getContext("2d").getImageData(0, 0, c.width, '
        'c.height).data]]')
    return np.array(values, np.uint8).reshape(*size, 4)


@pytest.mark.parametrize('width', [NARROW, WIDE])
@pytest.mark.parametrize('dark', [False, True])
def test_nothing_to_complain_of(visit, site, file, width, dark):
    seen = labelled(visit, site, file, width, dark)
    assert seen.complaints == [] and seen.too_wide() <= 0
    assert {url.split('?')[0] for url in seen.asked if not url.startswith(('data:', 'blob:'))} == {
        site.url, site.url + 'net', site.url + 'label'}


def test_every_stage_shows_its_own_labels(visit, site, nets, rgb, file):
    page = labelled(visit, site, file).page
    assert page.locator('h2').all_text_contents() == ['voc-fcn16s', 'voc-fcn32s']
    page.click('#all')
    for place, net in enumerate(nets):
        labels = net.predict(rgb)
        assert np.array_equal(over(page, place)[:, :, :3], net.palette[labels])
    first, second = (page.locator('.view').nth(i).bounding_box() for i in (0, 1))
    assert first['y'] == second['y'] and first['x'] < second['x']          # side by side


def test_classes_are_switched(visit, site, nets, rgb, file):
    page = labelled(visit, site, file).page
    labels = nets[0].predict(rgb)
    shown = page.locator('#classes li').first
    name = shown.locator('label').evaluate('l => l.childNodes[2].textContent')
    k = list(nets[0].names).index(name)
    assert (over(page, 0)[labels == k][:, 3] == 255).all()
    shown.locator('input').uncheck()
    assert (over(page, 0)[labels == k][:, 3] == 0).all()
    page.click('#none')
    assert not over(page, 0).any()


def test_class_and_probability_under_the_cursor(visit, site, nets, rgb, file):
    page = labelled(visit, site, file).page
    box = page.locator('.view').first.bounding_box()
    page.mouse.move(box['x'] + 0.5 * box['width'], box['y'] + 0.25 * box['height'])
    y, x = int(0.25 * rgb.shape[0]), int(0.5 * rgb.shape[1])
    for place, net in enumerate(nets):              # in every stage, at the same place
        labels, shares = net.predict.both(rgb, None)
        said = page.locator('.said').nth(place).text_content()
        name, share = said.rsplit(', ', 1)
        near = {net.names[k] for k in labels[y - 1:y + 2, x - 1:x + 2].ravel()}
        assert name in near
        values = 100 * shares.max(0)[y - 1:y + 2, x - 1:x + 2]
        assert values.min() - 1 <= float(share.rstrip(' %')) <= values.max() + 1
    page.locator('.view').first.focus()
    before = page.locator('.cross').first.evaluate('c => c.style.left')
    page.keyboard.press('ArrowRight')
    assert page.locator('.cross').first.evaluate('c => c.style.left') != before


def test_the_slider_and_the_crf(visit, site, nets, rgb, file):
    page = labelled(visit, site, file).page
    page.locator('#alpha').fill('20')
    assert page.locator('canvas.over').first.evaluate('c => c.style.opacity') == '0.2'
    page.click('#all')
    page.check('#crf')
    page.get_by_text('with the CRF').wait_for()
    page.get_by_text('labelled in').wait_for()
    refined, _ = nets[0].predict.both(rgb, nets[0].crf)
    assert np.array_equal(over(page, 0)[:, :, :3], nets[0].palette[refined])


def test_the_labels_are_downloaded_as_an_index_png(visit, site, nets, rgb, file):
    page = labelled(visit, site, file).page
    with page.expect_download() as found:
        page.get_by_role('button', name='by voc-fcn32s').click()
    assert found.value.suggested_filename == 'street_voc-fcn32s.png'
    with Image.open(found.value.path()) as image:
        assert image.mode == 'P' and np.array_equal(np.asarray(image), nets[1].predict(rgb))


def test_a_large_picture_is_made_smaller_and_a_wrong_one_refused(visit, site, tmp_path):
    large, wrong = tmp_path / 'large.jpg', tmp_path / 'notes.png'
    Image.fromarray(np.zeros((600, 900, 3), np.uint8)).save(large)
    wrong.write_text('no picture')
    page = labelled(visit, site, large).page
    assert '244 × 163, made smaller from 900 × 600' in page.locator('#status').text_content()
    page.set_input_files('#file', wrong)
    page.get_by_text('notes.png: not a picture that this browser can read').wait_for()
    assert page.locator('#status').get_attribute('class') == 'bad'


def test_a_dropped_picture_is_taken(visit, site, picture):
    page = visit(site.url, WIDE).page
    data = page.evaluate_handle('''bytes => { const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], 'dropped.png', {type: 'image/png'}));
        return data }''', list(picture))
    page.dispatch_event('#drop', 'drop', {'dataTransfer': data})
    page.get_by_text('dropped.png, 101 × 70: labelled in').wait_for()
