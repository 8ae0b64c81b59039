"""One name and one form for each option: a table of all commands' options, as help shows them."""

from collections import defaultdict
from collections.abc import Iterator

import click

from port import cli

# An option and its value, … where it may be repeated; the commands that take it.
TABLE = '''
--absent: bound
--aligned: generate
--all: export, generate
--allow-python MODULE …: compare, export, infer, serve, time
--argmax: export
--balance: new
--bi-rgb a,b|a:step:b: crf search
--bi-w a,b|a:step:b: crf search
--bi-xy a,b|a:step:b: crf search
--block N: ablate, reproduce
--blocks N: ablate, reproduce
--boundaries: score
--check: compare, generate
--class-names FILE: dense, new
--classes N: convolutionalize
--classes N[,N]: compare, draw, export, generate, infer, score, serve, summary, surgery, time
--compare: export
--cpu: run
--crf model|w,xy,w,xy,rgb: infer, score, serve
--data DIRECTORY: ablate, bound, data check, data compare, reproduce, score
--data DIR|KEY=DIR …: generate
--define NAME=VALUE …: caffe, compare, convolutionalize, crf search, dense, draw, export, generate,
    infer, score, serve, summary, surgery, test, time, train
--donor NET=WEIGHTS …: reproduce
--download: reproduce
--drop-pool: convolutionalize
--dry-run: reproduce
--fast/--exact: ablate, infer, reproduce, score, train
--filler [msra|xavier]: generate
--flip: infer, score
--frames FILE.csv: score
--from FILE …: surgery
--gpu ID: crf search, serve, test, time
--gpu ID[,ID…]|all: ablate, infer, reproduce, score, train
--graphviz/--no-graphviz: draw
--grid [v1|v2]: crf search
--host TEXT: serve
--html FILE: compare
--ignore-label LABEL: generate, new
--image-suffix TEXT: new
--images DIRECTORY: new
--images PATH: compare
--iterations N: test, time, train
--json [=FILE]: bound, compare, data compare, list, score, summary
--keep-all: reproduce
--label-suffix TEXT: data colours, new
--labels DIRECTORY: new
--limit N: ablate, bound, crf search, reproduce, score
--list: reproduce
--log FILE: train
--max-megabytes NUMBER: serve
--max-pixels INTEGER RANGE: serve
--max-seconds NUMBER: serve
--max-waiting INTEGER RANGE: serve
--mean B,G,R|NET: compare, dense, infer, serve
--memory N[M|G]: infer
--method [nearest|majority|bilinear] …: bound
--names [caffe|torchvision|timm]: convert
--net NET: convert, reproduce
--opset N: export
--out DIRECTORY: ablate, convolutionalize, demo, generate, infer, new, reproduce
--out FILE: crf search, dense, draw, surgery
--out PATH: export
--output BLOB: compare, infer, serve
--output-stride N: generate
--pad N: generate
--phase [train|test]: draw, summary, time
--pooling [dilated|stride1]: generate
--port INTEGER RANGE: serve
--precision [float32|tf32|bfloat16|float16]: infer
--py2: run
--quick: demo
--random-weights: export
--rate FLOAT …: ablate
--recipe NET: surgery
--released: reproduce
--resume: infer
--rgb-mean R,G,B: convert, surgery
--rgb-std R,G,B: convert, surgery
--rounds N: crf search
--save DIRECTORY: score
--save KIND[,KIND…]: infer
--scale FLOAT RANGE: ablate
--scales N[,N…]: infer, score
--score-every N: train
--seed N: ablate, export, new, reproduce
--seeds INTEGER RANGE: ablate
--set KEY=VALUE …: generate
--set [NET.]KEY=VALUE …: ablate, reproduce
--share-steps: reproduce
--size HxW: convolutionalize, data colours, dense, draw, summary, time
--size HxW[,HxW…]: export
--size HxW[-HxW]: pad
--skip LAYER …: surgery
--skip-unpaired: new
--skips TOP[,TOP…]: convolutionalize
--snapshot FILE: train
--solver PATH: train
--split TEXT: bound, reproduce
--split TEXT …: data check
--statistics BATCHES: reproduce
--stride N: dense
--stride [32|16|8|4]: new
--sync-batch-norm: train
--syntax [layer|authors]: generate
--tf32: reproduce, train
--tile auto|HxW: infer
--tolerance PIXELS: score
--train-data [NET.]KEY=VALUE …: reproduce
--trunk NAME: ablate
--trunk [squeezenet|vgg16]: new
--unknown LABEL: data colours
--val-folder FOLDER …: new
--val-share NUMBER: new
--weights FILE: ablate, convolutionalize, dense, reproduce
--weights FILE[,FILE…]: crf search, export, infer, score, serve, test, time, train
--width NUMBER: ablate, compare, draw, export, generate, infer, new, reproduce, score, serve,
    summary, surgery, time
--with-preprocess: export
--worst N: compare
'''
# Options with more than one form, and why.
FORMS = {
    '--classes': 'one number for each head; a convolutionalized net has one head',
    '--data': 'the nets that train on two datasets may find each in a folder of its own',
    '--gpu': 'several are for what can be shared among processes, one for each',
    '--images': 'pictures to compare may be a single one',
    '--out': 'a folder where several files are made, a file where one is',
    '--save': 'a folder, or of one labelling what is to be saved',
    '--set': 'where several nets are trained a field may be for one of them',
    '--size': 'one size, several, or all of a range',
    '--split': 'several lists may be checked at once',
    '--stride': 'any number of pixels between answers, or one of the published strides',
    '--trunk': 'the trunks of `fcn new`, or any whose nets the findings can be tried on',
    '--weights': 'a net may find its layers in several files; a classifier to start from is one'}


def leaves(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for verb, inner in command.commands.items():
            yield from leaves(f'{name} {verb}', inner)
    else:
        yield name, command


def every_command() -> dict[str, click.Command]:
    context = click.Context(cli.main)
    return {name: leaf for verb in cli.main.list_commands(context)
            for name, leaf in leaves(verb, cli.main.get_command(context, verb))}


def form(option: click.Option, command: click.Command) -> str:
    value = '' if option.is_flag else option.make_metavar(click.Context(command))
    names = '/'.join(option.opts + option.secondary_opts)
    return ' '.join(filter(None, (names, value, '…' if option.multiple else '')))


def table() -> dict[str, list[str]]:
    found = defaultdict(list)
    for name, command in every_command().items():
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                found[form(option, command)].append(name)
    return found


def test_every_command_takes_what_the_table_says() -> None:
    written = dict(line.split(': ') for line in TABLE.strip().replace('\n    ', ' ').splitlines())
    assert {key: ', '.join(names) for key, names in sorted(table().items())} == written


def test_an_option_has_one_form_but_for_a_reason() -> None:
    names = [key.split()[0] for key in table()]
    assert {name for name in names if names.count(name) > 1} == set(FORMS)
