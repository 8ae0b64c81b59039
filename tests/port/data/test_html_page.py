"""port.data.html_page: what stands in tables, pictures and legends."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
from PIL import Image

from port.data import html_page as page
from port.data.label_pictures import make_palette

LABELS = np.array([[0, 0, 1], [0, 1, 255]])


class Balanced(HTMLParser):
    """Fails where an element is not closed in its place."""

    ALONE = {'meta', 'link', 'img', 'br', 'input'}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        if tag not in self.ALONE:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag


def test_a_document_names_its_language_window_and_title():
    text = page.document('a < b', page.table('c', ['x'], [['1']]))
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    for words in ('<html lang="en">', 'name="viewport"', '<title>a &lt; b</title>',
                  'prefers-color-scheme: dark', '@media print', 'charset="utf-8"'):
        assert words in text
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)       # nothing is fetched


def test_a_table_has_a_caption_and_scopes():
    text = page.table('of <a>', ['name', 'value'], [['x', '1'], ['y', '2 & 3']], [True], words=[1])
    assert '<caption><span>of &lt;a&gt;</span></caption>' in text
    assert text.count('scope="col"') == 2 and text.count('scope="row"') == 2
    assert text.count('<tr class=target>') == 1 and '2 &amp; 3' in text


def test_pictures_are_inside_and_labels_exact():
    pixels = np.random.RandomState(0).randint(0, 256, (5, 7, 3)).astype(np.uint8)
    text = page.picture(pixels, 'what "it" shows')
    data = re.search(r'base64,([^"]+)"', text)[1]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), pixels)
    assert 'alt="what &quot;it&quot; shows"' in text and 'width="7" height="5"' in text
    assert 'image/jpeg' in page.picture(pixels, 'a', photo=True)


def test_a_legend_names_what_occurs_with_its_share_of_each():
    text = page.legend_list(make_palette(256), ('sky', 'road', 'tree'), truth=LABELS,
                            prediction=np.zeros((2, 3), int))
    assert re.findall(r'rgb\(([\d,]+)\)', text) == ['0,0,0', '128,0,0', '224,224,192']
    assert re.findall(r'</span>([^<]+)<', text) == [
        'sky: truth 50 %, prediction 100 %', 'road: truth 33.3 %, prediction 0 %',
        'void: truth 16.7 %, prediction 0 %']


def test_labels_are_described_in_words():
    assert page.described(LABELS, ()) == 'class 0 50 %, class 1 33.3 %, class 255 16.7 %'
    assert page.described(LABELS, ('sky', 'road'), most=1) == 'sky 50 % and 2 more'
