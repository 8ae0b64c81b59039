"""report.html: one page of one file, read offline: the net asked for, first its card, then how the
figures came about; its earlier stages after it.
"""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from port.data.html_page import described, document, folded, framed, legend_list, picture, table
from port.data.svg_chart import Curve, chart
from port.reproduce import report_pages as pages
from port.reproduce.report_card import HEADS, titled, with_heads
from port.reproduce.report_pages import caveats_head, number
from port.reproduce.report_pictures import Drawn, Shown

MUCH = 0.6                  # a share above which letters are light
LIKELY = 0.0005             # a share that still shows as 0.1 %: columns of less are left out
KINDS = {'best': 'Best images', 'median': 'Images in the middle', 'worst': 'Worst images'}
Section = tuple[str, str, str]          # its name in the contents, its anchor, its text


def page(content: Mapping[str, Any], drawn: Drawn) -> str:
    """Return report.html."""
    title, *lead = pages.heading(content)
    asked, *earlier = reversed(content['stages'])
    sections = [found for found in (
        ('Pictures', 'pictures', _pictures(drawn.shown)),
        ('Curves', 'curves', _curves(content['stages'], drawn)),
        ('Classes', 'classes', _classes(asked)),
        ('Confusion', 'confusion', _confusions(asked)),
        ('Every image', 'images', _images(asked)),
        ('Other figures', 'others', _others(asked)),
        ('Earlier stages', 'earlier', ''.join(_stage(row, content) for row in earlier)),
        ('Configuration and command', 'command', _configuration(content)),
        ('Sources', 'sources', _sources(content))) if found[2]]
    parts = [f'<header><h1>{html.escape(title)}</h1></header><main>',
             _card(asked, content), f'<p class="note">{html.escape(lead[0])}</p>',
             _contents(sections)]
    parts += [f'<section><h2 id="{anchor}">{name}</h2>\n{text}</section>'
              for name, anchor, text in sections]
    return document(title, '\n'.join([*parts, '</main>']))


def _contents(sections: Sequence[Section]) -> str:
    items = ''.join(f'<li><a href="#{anchor}">{name}</a></li>' for name, anchor, _ in sections)
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def _paragraphs(lines: Sequence[str]) -> str:
    return ''.join(f'<p>{html.escape(line)}</p>' for line in lines)


# -- the card --------------------------------------------------------------------------------------

def _card(row: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """Return net, data, figures beside the published ones, and what is to be said of them."""
    trained = f'{row["iterations"]:,} iterations' if row['iterations'] else 'weights as given'
    facts = {'Net': row['name'] + (f': {row["title"]}' if row['title'] else ''),
             'Data': f'{content["data"]}, list {row["split"]}, {len(row["images"]):,} images',
             'Training': trained}
    listed = ''.join(f'<dt>{name}</dt><dd>{html.escape(text)}</dd>' for name, text in facts.items())
    return (f'<section class="card" aria-label="Summary"><dl>{listed}</dl>'
            f'{_figures(row, content)}{_caveats(row, content["caveats"])}'
            f'{_paragraphs(pages.remarks(row))}</section>')


def _figures(row: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    heads, *lines = with_heads(row, content['released'])
    return table(titled(row), heads, lines, [line[0] == row['metric'] for line in lines],
                 words=[len(HEADS) - 1])


def _caveats(row: Mapping[str, Any], lines: Sequence[str]) -> str:
    if not lines:
        return ''
    items = ''.join(f'<li>{html.escape(line)}</li>' for line in lines)
    what = caveats_head(row).capitalize()
    more = ', so the difference says little by itself' if row['comparison'] else ''
    return f'<div class="caveats" role="note">{what}{more}:<ul>{items}</ul></div>'


# -- what the net does -----------------------------------------------------------------------------

def _pictures(shown: Mapping[str, Sequence[Shown]]) -> str:
    """Return the images of the highest, middle and lowest mean IU, each with its legend."""
    parts = []
    for head, some in shown.items():
        named = f' ({html.escape(head)})' if len(shown) > 1 else ''
        for kind, title in KINDS.items():
            found = [_sample(one) for one in some if one.kind == kind]
            parts += [f'<h3>{title}{named}</h3>', *found] if found else []
    return ''.join(parts)


def _sample(one: Shown) -> str:
    """Return image, truth and prediction side by side, or below one another where it is narrow."""
    from port.data.label_pictures import color_seg
    figures = [picture(one.image, f'The image {one.name}', f'{one.name}, mean IU of its classes '
                       f'{100 * one.mean_iu:.1f}', photo=True)]
    for what, labels in (('Truth', one.truth), ('Prediction', one.predicted)):
        figures.append(picture(color_seg(labels, one.palette),
                               f'{what} for {one.name}: {described(labels, one.names)}', what))
    legend = legend_list(one.palette, one.names, truth=one.truth, prediction=one.predicted)
    return f'<div class="trio">{"".join(figures)}</div>{legend}'


def _curves(rows: Sequence[Mapping[str, Any]], drawn: Drawn) -> str:
    """Return mean IU after each block, with the published value as a line, and the loss."""
    curves = []
    for colour, row in enumerate(rows):
        points = [(b['iteration'], b[row['metric']]) for b in row['blocks']
                  if b[row['metric']] is not None]
        target = next((c for c in row['comparison'] if c['target']
                       and c['metric'] == row['metric']), None)
        if len(points) > 1:
            curves.append(Curve(row['name'], points, colour))
            if target:
                level = [(points[0][0], float(target['published']))]
                curves.append(Curve(f'{row["name"]}, {target["source"]}', level, colour, True))
    metric = rows[-1]['metric']
    parts = [f'<h3>{metric} after each block</h3>' + chart(
        f'{metric} of each net after its blocks, in percent', 'iteration', f'{metric}, percent',
        curves)] if curves else []
    places = {row['name']: colour for colour, row in enumerate(rows)}
    losses = [Curve(name, points, places.get(name, 0)) for name, points in drawn.losses.items()]
    drawn_loss = chart('Loss of each net by iteration', 'iteration', 'loss', losses, log=True)
    return ''.join([*parts, f'<h3>Loss</h3>{drawn_loss}' if drawn_loss else ''])


def _classes(row: Mapping[str, Any]) -> str:
    """Return a bar for the IU of each class that occurs, of every head."""
    parts = []
    for head, rows in row['classes'].items():
        named = f' by {head}' if len(row['classes']) > 1 else ''
        body = ''.join(_bar(one) for one in rows if one['iu'] is not None)
        heads = ''.join(f'<th scope="col"{" class=words" * (i < 2)}>{text}</th>' for i, text in
                        enumerate(('class', 'IU', 'accuracy', 'pixels in the truth')))
        parts.append(framed(f'{row["name"]}: intersection over union of each class{named}, percent',
                            f'<thead><tr>{heads}</tr></thead><tbody>{body}</tbody>'))
    return ''.join(parts)


def _bar(one: Mapping[str, Any]) -> str:
    iu, accuracy = (None if one[key] is None else 100 * one[key] for key in ('iu', 'accuracy'))
    return (f'<tr><th scope="row">{html.escape(one["class"])}</th>'
            f'<td class="bar words" style="--v: {iu or 0:.1f}%">{number(iu)}</td>'
            f'<td>{number(accuracy)}</td><td>{one["pixels"]:,}</td></tr>\n')


def _confusions(row: Mapping[str, Any]) -> str:
    parts = []
    for head, hist in row['hist'].items():
        names = [one['class'] for one in row['classes'][head]]
        named = f' by {head}' if len(row['hist']) > 1 else ''
        caption = (f'{row["name"]}{named}: of the pixels of each class (a row), the percentage '
                   'that went to each (a column)')
        parts.append(confusion(np.array(hist, float), names, caption))
    return ''.join(parts)


def confusion(hist: np.ndarray, names: Sequence[str], caption: str) -> str:
    """Return a table of shares: rows of the classes that occur, columns of those they went to."""
    share = hist / np.maximum(hist.sum(1, keepdims=True), 1)
    rows = [k for k in range(len(hist)) if hist[k].sum()]
    columns = [k for k in range(len(hist)) if k in rows or (share[:, k] >= LIKELY).any()]
    head = '<th scope="col" class="words">truth</th>' + ''.join(
        f'<th scope="col"><div class="upright">{html.escape(names[k])}</div></th>' for k in columns)
    body = ''.join(f'<tr><th scope="row">{html.escape(names[r])}</th>'
                   f'{"".join(_share(share[r, c]) for c in columns)}</tr>\n' for r in rows)
    return framed(caption, f'<thead><tr>{head}</tr></thead><tbody>{body}</tbody>')


def _share(value: float) -> str:
    digits = 1 if value < 0.0995 else 0
    text = '' if value < LIKELY else f'{100 * value:.{digits}f}'
    much = ' much' if value >= MUCH else ''
    return f'<td class="share{much}" style="--v: {100 * value:.1f}%">{text}</td>'


def _images(row: Mapping[str, Any]) -> str:
    """Return every image with the mean IU of its classes, the worst first, folded."""
    known = sorted(row['images'].items(), key=lambda item: (item[1] is None, item[1], item[0]))
    rows = [[name, number(None if value is None else 100 * value)] for name, value in known]
    caption = f'{row["name"]}: mean IU of the classes of each image, percent'
    return folded(f'{len(rows):,} images, the worst first',
                  table(caption, ('image', 'mean IU'), rows))


# -- what stands beside it -------------------------------------------------------------------------

def _others(row: Mapping[str, Any]) -> str:
    """Return, folded, what others measured: other recipes and lists, and the same recipe again."""
    parts = []
    heads, *lines = pages.comparison(row, False)
    rest = [line for line, one in zip(lines, row['comparison'], strict=False) if not one['target']]
    if rest:
        parts.append(folded(f'{len(rest)} published figures of other recipes, lists and weights',
                            table(f'{row["name"]}: figures that are not of this recipe on this '
                                  'list', heads, rest, words=(4, 5))))
    if row['retrained_by_others']:
        heads, *lines = pages.others(row)
        parts.append(folded(f"{len(lines)} of other people's trainings by this recipe", table(
            f"{row['name']}: other people's trainings", heads, lines, words=(2,))))
    if len(row['blocks']) > 1:
        heads, *lines = pages.blocks(row, list(row['measured']))
        parts.append(folded(f'All {len(lines)} blocks', table(
            f'{row["name"]} after each block', heads, lines)))
    return ''.join(parts)


def _stage(row: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """Return a net that the one asked for starts from."""
    return (f'<h3>{html.escape(row["name"])}</h3>{_figures(row, content)}'
            f'{_paragraphs(pages.remarks(row))}{_others(row)}'
            f'{folded("Its classes", _classes(row))}')


def _configuration(content: Mapping[str, Any]) -> str:
    rows = [['device', content['device']], ['Python', content['python']],
            ['torch', content['torch']], ['written', content['written']],
            ['training and scoring', pages.duration(content['seconds'])]]
    return (f'<pre>{html.escape(content["command"])}</pre>'
            + table('Where and when', ('what', 'value'), rows, words=(1,)))


def _sources(content: Mapping[str, Any]) -> str:
    items = ''.join(f'<li><b>{html.escape(name)}</b>: {html.escape(text)}</li>'
                    for name, text in pages.used(content).values())
    return f'<ul>{items}</ul>' if items else ''
