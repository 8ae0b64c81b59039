"""fcn ablate: does the order of the paper's findings hold on a dataset, with a narrow net?"""

import json
from pathlib import Path

import click

from port.commands._shared import WIDTH, device, gpu_option
from port.commands.generate import setting
from port.data.label_pictures import write_beside
from port.reproduce import ablation
from port.reproduce.recipe import Settings
from port.training.signals import Interrupted

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command(epilog='Example:  fcn ablate camvid --data data/camvid --out runs/ablation '
                      '--width 0.25 --block 400 --blocks 5 --set base_lr=1e-9')
@click.argument('dataset', default='camvid')
@click.option('--data', type=FOLDER, required=True, help='Folder of the dataset.')
@click.option('--out', type=FOLDER, required=True, help='Folder of the runs.')
@click.option('--weights', type=click.Path(path_type=Path, dir_okay=False),
              help='VGG16, for the full width.  [default: from fillers]')
@click.option('--width', type=WIDTH, default=0.25,
              show_default=True, help="Scale the trunk's channels.")
@click.option('--block', type=click.IntRange(min=1), default=400, show_default=True,
              help='Images of a block.')
@click.option('--blocks', type=click.IntRange(min=1), default=5, show_default=True)
@click.option('--images', type=click.IntRange(min=1), help='Score on the first so many images.')
@click.option('--seed', default=1337, show_default=True)
@click.option('--set', 'options', multiple=True, callback=setting, metavar='[NET.]KEY=VALUE',
              help='A solver field of all nets, or of one; may be repeated.')
@click.option('--fast', is_flag=True, help='The same numbers within rounding, in less time, as '
              '`fcn train --fast`.')
@gpu_option
def command(dataset: str, data: Path, out: Path, weights: Path | None, width: float, block: int,
            blocks: int, images: int | None, seed: int, options: dict, fast: bool,
            gpu: int | None) -> None:
    """Try on DATASET: heavy, online and accumulated learning; 32s, 16s, 8s; trunk fixed or not.

    Every regime sees the same images as often. Ctrl-C at any time; the same command goes on.
    """
    try:
        ablation.findings(dataset)
    except KeyError as error:
        raise click.UsageError(str(error.args[0])) from error
    settings = Settings('', str(data.resolve()), str(weights.resolve()) if weights else '', '',
                        width, block, blocks, images, '', seed, False, options, fast=fast)
    try:
        content = ablation.run(dataset, settings, out, device(gpu), click.echo)
    except KeyboardInterrupt as stop:
        raise Interrupted(f'{str(stop) or "stopped"}; the same command goes on from here') from stop
    text = ablation.markdown(content)
    write_beside(out / 'ablation.json', lambda p: p.write_text(json.dumps(content, indent=2)))
    write_beside(out / 'ablation.md', lambda p: p.write_text(text, encoding='utf-8'))
    click.echo(text)
