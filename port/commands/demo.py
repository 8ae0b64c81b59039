"""fcn demo: the main job end to end on a small drawn dataset."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from port.commands._values import FOLDER

if TYPE_CHECKING:
    from port.reproduce.demo import DemoPlan


@click.command(epilog='Example:  fcn demo --out demo')
@click.option('--out', type=FOLDER, default='demo', show_default=True,
              help='Folder for everything that is made.')
@click.option('--quick', is_flag=True, help='In a minute: smaller scenes, fewer steps.')
def command(out: Path, quick: bool) -> None:
    """Draw scenes, generate, train 32s, 16s, 8s, score, picture, export, compare."""
    import torch

    from port.reproduce import demo
    from port.training.run_lock import running_alone
    plan, start = demo.QUICK if quick else demo.PLAN, time.monotonic()
    torch.manual_seed(plan.seed)

    def say(text: str) -> None:
        click.echo(f'[{time.monotonic() - start:4.0f} s] {text}')
        sys.stdout.flush()

    with running_alone(out):
        _run(plan, out, say)


def _run(plan: 'DemoPlan', out: Path, say: Callable[[str], None]) -> None:
    """Do all steps of the plan."""
    from port.reproduce import demo
    say(f'drawing {plan.train} + {plan.val} scenes in PASCAL VOC layout into {out / "data"}')
    folders = demo.make_nets(plan, out)
    say(f'generated {", ".join(folders)} at width {plan.width:g}')
    results = demo.run_stages(plan, folders, say, hidden=not sys.stderr.isatty())
    sheet, curve = demo.draw_results(plan, results, out)
    say('pictures drawn')
    onnx, row = demo.export_last(plan, results, out)
    say(f'exported {onnx}; ONNX Runtime differs by at most {row.relative:.1e} of the largest '
        f'score, {100 * row.agreement:.3f} % of the pixels agree')
    demo.write_figures(results, out / 'figures.json')
    click.echo('\n' + demo.table(results) + '\n')
    for what, path in (('predictions', sheet), ('loss curve', curve), ('ONNX', onnx),
                       ('figures', out / 'figures.json')):
        click.echo(f'{what:<12} {path}')
    demo.check(plan, results)
