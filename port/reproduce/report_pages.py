"""report.md: the tables and pictures of report.json; what report.html says in the same words."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Cell = str
Table = list[list[Cell]]


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
    return table if row['comparison'] else [line[:2] for line in table]


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
            f'code trained again differed by up to {row["spread_of_one_code"]:.1f}.')
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


def others(row: Mapping[str, Any]) -> Table:
    """Return the table of other people's trainings by the same recipe."""
    return [['source', 'mean IU', 'remark'],
            *([o['source'], number(o['mean IU']), o['note']] for o in row['retrained_by_others'])]


def caveats_head(row: Mapping[str, Any]) -> str:
    """Say what the caveats are that stand beside a net's figures."""
    return 'not the published run' if row['comparison'] else 'to know of these figures'


def heading(content: Mapping[str, Any]) -> list[str]:
    """Return the lines that open a report."""
    kind = 'Released weights of' if content['released'] else 'Reproduction of'
    lines = [f'{kind} {content["name"]}',
             f'Written {content["written"]} on {content["device"]}, torch {content["torch"]}; '
             f'training and scoring took {duration(content["seconds"])}.']
    if content['caveats']:
        what = caveats_head(content['stages'][-1]).capitalize()
        lines.append(f'{what}: ' + '; '.join(content['caveats']) + '.')
    return lines


def markdown(content: Mapping[str, Any], pictures: Mapping[str, Path], folder: Path) -> str:
    """Return report.md; pictures are named relative to its folder."""
    title, *lead = heading(content)
    parts = [f'# {title}', *lead]
    for row in reversed(content['stages']):         # the net asked for, then its earlier stages
        parts += [f'## {row["name"]}' + (f': {row["title"]}' if row['title'] else ''),
                  f'{scored(row)}:',
                  md_table(comparison(row, content['released'])), *remarks(row)]
        if len(row['blocks']) > 1:
            parts += ['### Blocks', md_table(blocks(row, content['metrics']))]
        for head, rows in row['classes'].items():
            parts += [f'### Classes ({head})', md_table(classes(rows))]
        if row['retrained_by_others']:
            parts += ["### Others' trainings by this recipe", md_table(others(row))]
    parts += ['## Command', f'```\n{content["command"]}\n```']
    parts += [f'## {what[0].upper()}{what[1:]}\n\n![{what}]({path.relative_to(folder)})'
              for what, path in pictures.items()]
    parts += ['## Sources', '\n'.join(f'- {name}: {text}' for name, text in used(content).values())]
    return '\n\n'.join(parts) + '\n'


def used(content: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the sources that the tables name, by their keys: the name there, and what it is."""
    cited = {line['key'] for row in content['stages']
             for line in (*row['comparison'], *row['retrained_by_others'])}
    return {key: (content['names'].get(key, key), text)
            for key, text in content['sources'].items() if key in cited}


def md_table(table: Table) -> str:
    """Write a table in Markdown."""
    rows = ['| ' + ' | '.join(cell.replace('|', '\\|') for cell in row) + ' |' for row in table]
    return '\n'.join([rows[0], '|' + '---|' * len(table[0]), *rows[1:]])
