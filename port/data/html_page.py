"""Pages of one file, read offline: the style, tables, pictures and legends of every page we write.

Light and dark, on paper and on a telephone: what is wider than the window scrolls in its own frame.
"""

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from port.data.label_pictures import color_seg
from port.data.legend import called, class_shares, entries

STYLE = """
:root { color-scheme: light dark; --text: #1f2328; --dim: #59636e; --back: #fff; --soft: #f6f8fa;
  --line: #d1d9e0; --accent: #0969da; --warn: #9a6700; --warnback: #fff8c5;
  --c0: #0969da; --c1: #bc4c00; --c2: #1a7f37; --c3: #8250df; --c4: #bf3989; --c5: #6e7781 }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --dim: #9198a1; --back: #0d1117;
  --soft: #161b22; --line: #3d444d; --accent: #4493f8; --warn: #e3b341; --warnback: #272115;
  --c0: #4493f8; --c1: #f0883e; --c2: #3fb950; --c3: #ab7df8; --c4: #db61a2; --c5: #9198a1 } }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back);
  max-width: 62rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere }
h1 { font-size: 1.6rem; line-height: 1.25 } h2 { margin-top: 2.2rem; padding-bottom: .2rem;
  border-bottom: 1px solid var(--line); font-size: 1.3rem } h3 { font-size: 1.05rem }
a { color: var(--accent) }
code, pre { font: .88em/1.45 ui-monospace, monospace; background: var(--soft); border-radius: 4px }
code { padding: .1em .3em } pre { padding: .7rem; overflow-x: auto; white-space: pre-wrap }
.wide { overflow-x: auto; margin: .8rem 0 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
caption { text-align: left; color: var(--dim); padding-bottom: .3rem }
caption span { display: block; position: sticky; left: 0; max-width: calc(100vw - 4.5rem) }
td, th { border-bottom: 1px solid var(--line); padding: .25rem .6rem; text-align: right;
  font-weight: 400; overflow-wrap: normal }
thead th { font-weight: 600; vertical-align: bottom } th[scope=row], .words { text-align: left }
tr.target > * { font-weight: 600 }
.bar { min-width: 9rem; background: linear-gradient(to right, color-mix(in srgb, var(--accent) 35%,
  transparent) var(--v), transparent var(--v)); print-color-adjust: exact }
.share { background: color-mix(in srgb, var(--accent) var(--v), transparent); padding: .2rem .35rem;
  font-size: .85rem; print-color-adjust: exact } .share.much { color: var(--back) }
.upright { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; padding: .4rem 0;
  max-height: 9rem }
figure { margin: 0 } figcaption, .note { color: var(--dim); font-size: .9rem }
img, svg { max-width: 100%; height: auto; display: block }
.trio { display: grid; grid-template-columns: 1fr 1fr 1fr; gap: .6rem; margin: 1rem 0 .2rem }
.trio img { width: 100% } @media (max-width: 36rem) { .trio { grid-template-columns: 1fr 1fr }
  .trio :first-child { grid-column: span 2 } }
.card { border: 1px solid var(--line); border-radius: 8px; padding: .4rem 1rem;
  background: var(--soft) } .card dl { display: grid; grid-template-columns: max-content 1fr;
  gap: .2rem .9rem } dt { color: var(--dim) } dd { margin: 0 }
.caveats { border-left: 4px solid var(--warn); background: var(--warnback); padding: .5rem .9rem;
  margin: .8rem 0 } .caveats ul { margin: .2rem 0; padding-left: 1.2rem }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0;
  margin: .4rem 0; font-size: .9rem } .legend span { display: inline-block; width: .9em;
  height: .9em; margin-right: .35em; border: 1px solid var(--dim); vertical-align: -.1em;
  print-color-adjust: exact }
td.words:not(.bar) { min-width: 12rem }
@media (max-width: 36rem) { .bar { min-width: 6rem } td, th { padding: .25rem .35rem;
  font-size: .88rem } .card td, .card th { padding: .2rem .12rem; font-size: .75rem }
  .card { padding: .3rem .7rem } .card td.words:not(.bar) { min-width: 0 } }
details { margin: .8rem 0 } summary { cursor: pointer; color: var(--accent) }
nav ul { padding-left: 1.2rem; columns: 14rem }
@media print { :root { color-scheme: light } body { max-width: none; font-size: 10pt } nav {
  display: none } h2, h3 { break-after: avoid } figure, tr { break-inside: avoid }
  .wide { overflow: visible } details::details-content { content-visibility: visible;
  block-size: auto } }
"""


def document(title: str, body: str, style: str = '') -> str:
    """Return a whole page; style: rules of its own after those of every page."""
    return ('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<link rel="icon" href="data:,"><title>{html.escape(title)}</title>'
            f'<style>{STYLE}{style}</style></head><body>\n{body}\n</body></html>\n')


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]],
          target: Sequence[bool] = (), words: Sequence[int] = ()) -> str:
    """Write a table whose first column names the rows, in a frame that scrolls where it is wide.

    target: marks rows. words: the columns of text, which stands on the left.
    """
    def cell(place: int, text: str) -> str:
        if place == 0:
            return f'<th scope="row">{html.escape(text)}</th>'
        return f'<td{mark(place)}>{html.escape(text)}</td>'

    def mark(place: int) -> str:
        return ' class="words"' if place == 0 or place in words else ''
    head = ''.join(f'<th scope="col"{mark(i)}>{html.escape(text)}</th>'
                   for i, text in enumerate(heads))
    marks = [*target, *[False] * (len(rows) - len(target))]
    body = ''.join(f'<tr{" class=target" if strong else ""}>'
                   f'{"".join(cell(i, text) for i, text in enumerate(row))}</tr>\n'
                   for row, strong in zip(rows, marks, strict=True))
    return framed(caption, f'<thead><tr>{head}</tr></thead><tbody>{body}</tbody>')


def framed(caption: str, inside: str) -> str:
    """Return a table of these rows, in a frame that the keyboard scrolls as well."""
    return (f'<div class="wide" role="region" tabindex="0" aria-label="{html.escape(caption)}">'
            f'<table><caption><span>{html.escape(caption)}</span></caption>{inside}</table></div>')


def folded(title: str, inside: str) -> str:
    """Return what is read only by those who open it."""
    return f'<details><summary>{html.escape(title)}</summary>{inside}</details>'


def picture(pixels: np.ndarray, alt: str, caption: str = '', photo: bool = False) -> str:
    """Return a picture, H x W x 3 uint8, inside the page; photo: as JPEG, labels as PNG."""
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if photo:
        image.save(buffer, 'JPEG', quality=88)
    else:
        image.save(buffer, 'PNG')
    data = base64.b64encode(buffer.getvalue()).decode()
    under = f'<figcaption>{html.escape(caption)}</figcaption>' if caption else ''
    return (f'<figure><img alt="{html.escape(alt)}" width="{image.width}" height="{image.height}" '
            f'src="data:image/{"jpeg" if photo else "png"};base64,{data}">{under}</figure>')


def legend_list(palette: np.ndarray, names: Sequence[str], **of: np.ndarray) -> str:
    """Return which colour is which class, for the classes that occur, and their shares of each of
    the labellings, {what it is called: H x W}.
    """
    shares = {what: dict(class_shares(labels)) for what, labels in of.items()}
    total = {k: sum(found.get(k, 0) for found in shares.values())
             for found in shares.values() for k in found}
    items = []
    for k in sorted(total, key=lambda k: -total[k]):
        red, green, blue = color_seg(np.array([[k]]), palette)[0, 0]
        told = ', '.join(f'{what} {100 * found.get(k, 0):.3g} %' for what, found in shares.items())
        items.append(f'<li><span style="background: rgb({red},{green},{blue})"></span>'
                     f'{html.escape(called(k, names))}: {html.escape(told)}</li>')
    return f'<ul class="legend">{"".join(items)}</ul>'


def described(labels: np.ndarray, names: Sequence[str], most: int = 5) -> str:
    """Say in words what labels show, for those who do not see them."""
    found = [text for _, text in entries(labels, names)]
    return ', '.join(found[:most]) + (f' and {len(found) - most} more' if len(found) > most else '')
