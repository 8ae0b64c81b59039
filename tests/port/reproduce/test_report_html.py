"""report.html: what it says first, what it leaves out, and how it stands in a real browser."""

import re
from pathlib import Path

import numpy as np
import pytest

from port.data.label_pictures import make_palette
from port.reproduce import published_figures as published
from port.reproduce import report_html
from port.reproduce.report_pictures import Drawn, Shown

NAMES = ['background', *(f'a class of some length {i}' for i in range(1, 12))]
HIST = np.diag([900, 300, 50, *[20] * 8, 0]) + np.eye(12, k=1, dtype=int) * 7
HIST[11] = 0                                              # the last class does not occur
NARROW, WIDE = 390, 1280                                  # a telephone, a laptop


def stage(name: str, **more: object) -> dict:
    """A row of report.json of a net that was trained and has published figures."""
    target = {'metric': 'mean IU', 'published': 65.5, 'measured': 67.75, 'difference': 2.25,
              'source': 'PAMI Table 3', 'key': 'PAMI', 'target': True, 'split': 'seg11valid',
              'note': ''}
    other = target | {'published': 67.2, 'source': 'fmahoudeau README',
                      'key': 'FMAHOUDEAU', 'target': False, 'note': 'another recipe'}
    blocks = [{'iteration': i, 'loss': 1e4 / i, 'seconds': 2.0, 'trained': 8.0, 'mean IU': 30.0 + i}
              for i in (10, 20, 30)]
    classes = [{'class': name, 'iu': k / 12 if HIST[k].any() else None, 'accuracy': 0.5,
                'pixels': int(HIST[k].sum())} for k, name in enumerate(NAMES)]
    return {'name': name, 'title': '', 'note': '', 'split': 'seg11valid', 'metric': 'mean IU',
            'iterations': 30, 'measured': {'mean IU': 67.75}, 'blocks': blocks,
            'best': {'iteration': 30, 'mean IU': 67.75}, 'comparison': [target, other],
            'refined': None, 'spread_of_others': (64.9, 65.4), 'spread_of_one_code': 0.6,
            'retrained_by_others': [{'source': 'wkentaro/fcn README', 'key': 'CH', 'mean IU': 65.0,
                                     'note': ''}],
            'absent': {'classes': [NAMES[11]], 'mean_iu_absent_as_0': 62.0,
                       'mean_iu_present': 67.75},
            'classes': {'score': classes}, 'hist': {'score': HIST.tolist()},
            'images': {f'2007_{i:06d}': i / 100 for i in range(60)}, **more}


CONTENT = {'name': 'voc-fcn8s', 'released': False, 'written': '2026-01-01 12:00', 'device': 'CPU',
           'torch': '2', 'python': '3', 'seconds': 90.0, 'data': '/data',
           'command': 'fcn reproduce voc-fcn8s --data ' + 'a/very/long/path/' * 12,
           'caveats': ['scored on the first 10 images of the split only'],
           'sources': published.SOURCES, 'names': published.NAMES, 'metrics': ['mean IU'],
           'stages': [stage('voc-fcn32s'), stage('voc-fcn8s')]}


def drawn() -> Drawn:
    def one(name: str, kind: str) -> Shown:
        truth = np.repeat([[0], [1], [255]], 320, 1).repeat(60, 0)
        return Shown(name, kind, 0.5, np.full((180, 320, 3), 90, np.uint8), truth,
                     np.minimum(truth, 1), tuple(NAMES), make_palette(256))
    shown = [one('a<b', 'best'), one('c', 'worst')]
    return Drawn({}, {'score': shown}, {'voc-fcn8s': [(i, 1e5 / (i + 1)) for i in range(900)]})


@pytest.fixture(scope='module')
def text() -> str:
    return report_html.page(CONTENT, drawn())


def test_the_net_asked_for_stands_first_with_its_caveats(text):
    card, rest = text.split('</section>', 1)
    assert 'voc-fcn8s' in card and 'voc-fcn32s' not in card
    for words in ('67.75', '65.5', '+2.25', 'PAMI Table 3', 'first 10 images', 'Not the published'):
        assert words in card
    assert rest.index('id="earlier"') < rest.index('<h3>voc-fcn32s</h3>')


def test_what_others_did_is_folded_and_sources_are_spelt_out(text):
    assert 'fmahoudeau README' in text and 'FMAHOUDEAU' not in text
    folded = ''.join(re.findall(r'<details>.*?</details>', text, re.S))
    assert text.count('wkentaro/fcn README</th>') == folded.count('wkentaro/fcn README</th>') == 2
    assert 'fmahoudeau/FCN-Segmentation-TensorFlow README' in text.split('id="sources"')[1]


def test_contents_lead_to_every_section(text):
    asked = re.findall(r'<li><a href="#(\w+)">', text)
    assert asked == re.findall(r'<h2 id="(\w+)">', text)
    assert asked == ['pictures', 'curves', 'classes', 'confusion', 'images', 'others', 'earlier',
                     'command', 'sources']


def test_the_matrix_has_values_of_the_classes_that_occur():
    text = report_html.confusion(HIST.astype(float), NAMES, 'c')
    heads = re.findall(r'<th scope="row">([^<]+)<', text)
    assert heads == NAMES[:11]                       # not the last, which has no pixels …
    assert text.count('class="upright"') == 12       # … but some went to it
    first = re.search(r'scope="row">background</th>(.*?)</tr>', text)[1]
    assert re.findall(r'>([^<]*)</td>', first) == ['99', '0.8', *[''] * 10]
    bars = report_html._classes(CONTENT['stages'][0])
    assert NAMES[11] not in bars and bars.count('class="bar words"') == 11


def test_pictures_say_in_words_what_they_show(text):
    alts = re.findall(r'<img alt="([^"]+)"', text)
    assert len(alts) == 6 and 'a&lt;b' in alts[0]
    assert alts[1] == ('Truth for a&lt;b: background 33.3 %, a class of some length 1 33.3 %, '
                       'void 33.3 %')
    assert 'truth 33.3 %, prediction 66.7 %' in text


def test_every_image_is_listed_the_worst_first(text):
    names = re.findall(r'scope="row">(2007_\d+)<', text)
    assert len(names) == 60 and names[:2] == ['2007_000000', '2007_000001']


def test_without_training_pictures_or_figures(text):
    """Of released weights, of which nothing is published, and where nothing was drawn."""
    row = stage('n', iterations=0, blocks=[], comparison=[], spread_of_others=None, refined=None,
                retrained_by_others=[], best={'iteration': 0, 'mean IU': 1.0})
    page = report_html.page(CONTENT | {'released': True, 'stages': [row], 'caveats': []}, Drawn())
    assert 'none published' in page and 'class="caveats"' not in page
    assert re.findall(r'<h2 id="(\w+)">', page) == ['classes', 'confusion', 'images', 'command']


@pytest.mark.browser
@pytest.mark.parametrize('width', [NARROW, WIDE])
@pytest.mark.parametrize('dark', [False, True])
def test_in_a_browser(text: str, tmp_path: Path, visit, width: int, dark: bool) -> None:
    """Nothing to complain of, nothing fetched, nothing wider than the window, letters to read."""
    file = tmp_path / 'report.html'
    file.write_text(text)
    seen = visit(file.as_uri(), width, dark)
    seen.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert seen.complaints == [] and seen.too_wide() <= 0
    assert [url for url in seen.asked if not url.startswith('data:')] == [file.as_uri()]
    assert seen.page.evaluate('''Math.max(...[...document.querySelectorAll('.card .wide')].map(
        e => e.scrollWidth - e.clientWidth))''') <= 0
    sizes = seen.page.evaluate('''[...document.querySelectorAll('td, th, p, li, figcaption')].map(
        e => parseFloat(getComputedStyle(e).fontSize))''')
    assert min(sizes) >= 12
    letters = seen.page.evaluate('''(() => { const t = document.querySelector('svg text'),
        s = t.ownerSVGElement; return 12 * s.getBoundingClientRect().width / 420 })()''')
    assert letters >= 9
    back = seen.page.evaluate('getComputedStyle(document.body).backgroundColor')
    assert back == ('rgb(13, 17, 23)' if dark else 'rgb(255, 255, 255)')


@pytest.mark.browser
def test_on_paper_what_is_folded_is_printed(text: str, tmp_path: Path, visit) -> None:
    file = tmp_path / 'report.html'
    file.write_text(text)
    page = visit(file.as_uri(), WIDE).page
    page.emulate_media(media='print')
    assert page.locator('text=wkentaro/fcn README').first.is_visible()
    assert not page.locator('nav').is_visible()
