"""report.md and report.html: the tables and pictures of report.json, for reading."""

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Cell = str
Table = list[list[Cell]]

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em;
       color: #222; background: #fff }
table { border-collapse: collapse; margin: 1em 0 }
td, th { border-bottom: 1px solid #ddd; padding: .25em .7em; text-align: right }
td:first-child, th:first-child, td:last-child, th:last-child { text-align: left }
tr.target td { font-weight: 600 }
img { max-width: 100%; border: 1px solid #eee }
.note { color: #666 }
"""


def number(value: float | None, signed: bool = False, digits: int = 2) -> Cell:
    """Write a percentage, a dash where there is none."""
    if value is None:
        return '-'
    return f'{value:+.{digits}f}' if signed else f'{value:.{digits}f}'


def duration(seconds: float) -> str:
    """Write a time in the two units that matter."""
    seconds = int(seconds + 0.5)
    for name, size, below, part in (('d', 86400, 'h', 3600), ('h', 3600, 'min', 60),
                                    ('min', 60, 's', 1)):
        if seconds >= size:
            return f'{seconds // size} {name} {seconds % size // part} {below}'
    return f'{seconds} s'


def comparison(row: Mapping[str, Any], released: bool) -> Table:
    """Return the table of measured against published figures."""
    digits = 4 if released else 2
    table = [['metric', 'measured', 'published', 'difference', 'source', 'remark']]
    table += [[line['metric'], number(line['measured'], digits=digits),
               str(line['published']),
               number(line['difference'], True, digits), line['source'], line['note']]
              for line in row['comparison']]
    named = {line['metric'] for line in row['comparison']}
    for metric, value in row['measured'].items():
        if metric not in named and value is not None:
            table.append([metric, number(value, digits=digits), '-', '-', '', ''])
    return table


def blocks(row: Mapping[str, Any], metrics: Sequence[str]) -> Table:
    """Return the table of the scored blocks."""
    table = [['iteration', *metrics, 'loss', 'time']]
    return table + [[f'{block["iteration"]:,}', *(number(block[m]) for m in metrics),
                     '-' if block['loss'] is None else f'{block["loss"]:.5g}',
                     duration(block['seconds'] + block['trained'])] for block in row['blocks']]


def classes(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table of the classes of one head."""
    table = [['class', 'IU', 'accuracy', 'pixels']]
    for row in rows:
        iu, accuracy = ((None if row[key] is None else 100 * row[key])
                        for key in ('iu', 'accuracy'))
        table.append([row['class'], number(iu), number(accuracy), f'{row["pixels"]:,}'])
    return table


def scored(row: Mapping[str, Any]) -> str:
    """Say of what and on what the figures are."""
    what = f'After {row["iterations"]:,} iterations' if row['iterations'] else 'Weights as given'
    return f'{what}, on the {len(row["images"]):,} images of {row["split"]}, in percent'


def remarks(row: Mapping[str, Any]) -> list[str]:
    """Return what has to be said of a net beside its tables."""
    lines = [row['note']] if row['note'] else []
    if not row['comparison']:
        lines.append('Figures of this net: none published.')
    if row['spread_of_others']:
        low, high = row['spread_of_others']
        lines.append(
            f"Others' trainings by this recipe reached {low:.2f} to {high:.2f} mean IU; the same "
            f'code trained again differed by up to {row["spread_of_one_code"]:.1f}: '
            + '; '.join(f'{o["source"]} {o["mean IU"]:.2f}' for o in row['retrained_by_others'])
            + '.')
    if row['absent']['classes']:
        lines.append(
            f'{len(row["absent"]["classes"])} class(es) do not occur in the truth '
            f'({", ".join(row["absent"]["classes"])}): means are over the classes present. '
            f'Counting them as 0, mean IU would be {number(row["absent"]["mean_iu_absent_as_0"])} '
            f'instead of {number(row["absent"]["mean_iu_present"])}.')
    if row['refined']:
        lines.append(f"What stands beside figures after a dense CRF was scored with one too, the "
                     f"net's published weights {row['refined']['crf']}.")
    best = row['best']
    if best['iteration'] != row['iterations']:
        lines.append(f'Best block: iteration {best["iteration"]:,} with {row["metric"]} '
                     f'{number(best[row["metric"]])}; the tables are of the last.')
    return lines


def heading(content: Mapping[str, Any]) -> list[str]:
    """Return the lines that open a report."""
    kind = 'Released weights of' if content['released'] else 'Reproduction of'
    lines = [f'{kind} {content["name"]}',
             f'Written {content["written"]} on {content["device"]}, torch {content["torch"]}; '
             f'training and scoring took {duration(content["seconds"])}.']
    if content['caveats']:
        lines.append('Not the published run: ' + '; '.join(content['caveats']) + '.')
    return lines


def markdown(content: Mapping[str, Any], pictures: Mapping[str, Path], folder: Path) -> str:
    """Return report.md; pictures are named relative to its folder."""
    title, *lead = heading(content)
    parts = [f'# {title}', *lead]
    for row in content['stages']:
        parts += [f'## {row["name"]}' + (f': {row["title"]}' if row['title'] else ''),
                  f'{scored(row)}:',
                  md_table(comparison(row, content['released'])), *remarks(row)]
        if len(row['blocks']) > 1:
            parts += ['### Blocks', md_table(blocks(row, content['metrics']))]
        for head, rows in row['classes'].items():
            parts += [f'### Classes ({head})', md_table(classes(rows))]
    parts += [f'## {what[0].upper()}{what[1:]}\n\n![{what}]({path.relative_to(folder)})'
              for what, path in pictures.items()]
    parts += ['## Sources', '\n'.join(f'- {key}: {text}' for key, text in used(content).items())]
    return '\n\n'.join(parts) + '\n'


def used(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the sources that the tables name."""
    cited = {line['source'].split()[0] for row in content['stages']
             for line in (*row['comparison'], *row['retrained_by_others'])}
    return {key: text for key, text in content['sources'].items() if key in cited}


def md_table(table: Table) -> str:
    """Write a table in Markdown."""
    rows = ['| ' + ' | '.join(cell.replace('|', '\\|') for cell in row) + ' |' for row in table]
    return '\n'.join([rows[0], '|' + '---|' * len(table[0]), *rows[1:]])


def page(content: Mapping[str, Any], pictures: Mapping[str, Path]) -> str:
    """Return report.html, one file with its pictures inside."""
    title, *lead = (html.escape(line) for line in heading(content))
    parts = [f'<h1>{title}</h1>', *(f'<p>{line}</p>' for line in lead)]
    for row in content['stages']:
        parts += [f'<h2>{html.escape(row["name"])}</h2>', f'<p>{html.escape(row["title"])}</p>',
                  f'<p>{html.escape(scored(row))}:</p>',
                  html_table(comparison(row, content['released']),
                             [line['target'] for line in row['comparison']]),
                  *(f'<p class="note">{html.escape(line)}</p>' for line in remarks(row))]
        if len(row['blocks']) > 1:
            parts += ['<h3>Blocks</h3>', html_table(blocks(row, content['metrics']))]
        for head, rows in row['classes'].items():
            parts += [f'<h3>Classes ({html.escape(head)})</h3>', html_table(classes(rows))]
    for what, path in pictures.items():
        data = base64.b64encode(path.read_bytes()).decode()
        parts.append(f'<h2>{what[0].upper()}{what[1:]}</h2>'
                     f'<img alt="{what}" src="data:image/png;base64,{data}">')
    parts += ['<h2>Sources</h2><ul>', *(f'<li>{key}: {html.escape(text)}</li>'
                                        for key, text in used(content).items()), '</ul>']
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f'<style>{STYLE}</style></head><body>\n' + '\n'.join(parts) + '\n</body></html>\n')


def html_table(table: Table, strong: Sequence[bool] = ()) -> str:
    """Write a table in HTML; the rows marked strong are the targets."""
    def cells(row: Sequence[Cell], tag: str) -> str:
        return ''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in row)
    marks = [*strong, *[False] * (len(table) - 1 - len(strong))]
    rows = [f'<tr{" class=target" if mark else ""}>{cells(row, "td")}</tr>'
            for row, mark in zip(table[1:], marks, strict=True)]
    return f'<table><tr>{cells(table[0], "th")}</tr>{"".join(rows)}</table>'
