"""What several commands ask for in the same way: net fitting, the device, the weights."""

import math
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import click
import torch
from click.core import ParameterSource

from netspec.families import make_net
from netspec.schema import placeholders
from netspec.variants import Variant
from port.commands._screen import screenful
from port.data.survey import find_row
from port.engine.devices import gpu_count, gpus_here
from port.engine.net_policy import looking_only
from port.engine.precision import use_tf32
from surgery.pixels import Pixels

SHOWN = 20  # problems printed before the rest is only counted


class VariantName(click.ParamType):
    """The name of a row of the table of nets, or a folder that `fcn new` wrote."""

    name = 'net'

    def convert(self, value, param, ctx) -> Variant:
        if isinstance(value, Variant):
            return value
        try:
            return find_row(value)
        except KeyError as error:
            self.fail(str(error.args[0]), param, ctx)


class Sizes(click.ParamType):
    """Image sizes: HxW, several with commas."""

    name = 'HxW[,HxW…]'

    def convert(self, value, param, ctx) -> list[tuple[int, int]]:
        if isinstance(value, list):
            return value
        sizes = []
        for part in value.split(','):
            match = re.fullmatch(r'\s*(\d+)x(\d+)\s*', part)
            if not match or 0 in (int(match[1]), int(match[2])):
                self.fail(f'{part!r} is not a size; expected HEIGHTxWIDTH, such as 375x500',
                          param, ctx)
            sizes.append((int(match[1]), int(match[2])))
        return sizes


class Classes(click.ParamType):
    """A number of classes, or one for each head with commas."""

    name = 'N[,N]'

    def convert(self, value, param, ctx) -> int | tuple[int, ...]:
        if not isinstance(value, str):
            return value
        try:
            counts = tuple(int(v) for v in value.split(','))
        except ValueError:
            self.fail(f'{value!r} is not a number of classes', param, ctx)
        if min(counts) < 1:
            self.fail(f'{value!r}: expected 1 class or more', param, ctx)
        return counts[0] if len(counts) == 1 else counts


class Finite(click.FloatRange):
    """A number of a range; neither infinite nor nan, which lies in every range for click."""

    def convert(self, value, param, ctx) -> float:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f'{value!r} is not a finite number', param, ctx)
        return number


WIDTH = Finite(min=0, min_open=True)


def fitting(function: Callable) -> Callable:
    """Add --width and --classes, which fit a net to a machine and to a dataset."""
    for option in (
            click.option('--classes', type=Classes(), help='Number of classes of your dataset.'),
            click.option('--width', type=WIDTH, help="Scale the trunk's channels; 0.25 trains on a "
                         'small machine.  [default: 1, or that of a folder of `fcn new`]')):
        function = option(function)
    return function


def looking(function: Callable) -> Callable:
    """Add --allow-python: of a net that is only looked at, no code of others is run unasked."""
    @click.option('--allow-python', 'allowed', multiple=True, metavar='MODULE',
                  help='Let Python layers of the net import this module of yours, which runs its '
                  'code; may be repeated. The data layers that come along need no leave.')
    @wraps(function)
    def wrapped(*args, allowed: tuple[str, ...], **kwargs):
        with looking_only(allowed):
            return function(*args, **kwargs)
    return wrapped


def defines(ctx: click.Context, param: click.Parameter,
            values: tuple[str, ...]) -> dict[str, str]:
    """Read NAME=VALUE options."""
    found = {}
    for value in values:
        name, sep, text = value.partition('=')
        if not sep or not name.isidentifier():
            raise click.BadParameter(f'{value!r}; expected NAME=VALUE, such as NUM_LABELS=21')
        found[name] = text
    return found


define_option = click.option('--define', 'defined', multiple=True, callback=defines,
                             metavar='NAME=VALUE',
                             help='Fill the placeholder ${NAME} of nets and solvers; may be '
                             'repeated.')


def defining(function: Callable) -> Callable:
    """Add --define, which fills the placeholders of every net and solver that is read."""
    @define_option
    @wraps(function)
    def wrapped(*args, defined: dict[str, str], **kwargs):
        with placeholders(defined):
            return function(*args, **kwargs)
    return wrapped


def refuse_fitting(file: object) -> None:
    """Raise UsageError where --width, --classes or --size is given, but the net is in a file."""
    for option in options_given():
        if option.name in ('size', 'width', 'classes'):
            raise click.UsageError(f'{option.opts[0]} is for a net by name; a prototxt has its own '
                                   f'{option.name}: {file}')


def options_given() -> list[click.Parameter]:
    """Return what the command line set of the running command's options and arguments."""
    context = click.get_current_context()
    return [param for param in context.command.params
            if context.get_parameter_source(param.name) is not ParameterSource.DEFAULT]


class Colours(click.ParamType):
    """Three numbers, red green blue."""

    name = 'R,G,B'

    def convert(self, value, param, ctx) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(v) for v in value.split(','))
        except ValueError:
            numbers = ()
        if len(numbers) != 3 or not all(0 <= v <= 1 for v in numbers):
            self.fail(f'{value!r} is not three numbers of 0..1 with commas', param, ctx)
        return numbers


def pixel_options(function: Callable) -> Callable:
    """Add --rgb-mean and --rgb-std: `pixels`, where weights expect others than usual."""
    @click.option('--rgb-mean', type=Colours(), help='The mean that torchvision- or timm-named '
                  'weights expect subtracted.  [default: ImageNet\'s; GoogLeNet: 0.5]')
    @click.option('--rgb-std', type=Colours(), help='The deviation that they expect divided by.')
    @wraps(function)
    def wrapped(*args, rgb_mean, rgb_std, **kwargs):
        if (rgb_mean is None) != (rgb_std is None):
            raise click.UsageError('give --rgb-mean and --rgb-std, or neither')
        return function(*args, pixels=rgb_mean and Pixels(rgb_mean, rgb_std), **kwargs)
    return wrapped


def stop_at(problems: list[str], end: str) -> None:
    """Print what is wrong, a line each, and raise ClickException with their number and the end."""
    if len(problems) == 1:
        raise click.ClickException(f'{problems[0]}; {end}')
    for problem in problems[:SHOWN]:
        click.echo(screenful(problem), err=True)
    if problems:
        rest = len(problems) - SHOWN
        more = f' (and {rest} more)' if rest > 0 else ''
        raise click.ClickException(f'{len(problems)} problem(s), listed above{more}; {end}')


gpu_option = click.option('--gpu', type=click.IntRange(min=0), metavar='ID',
                          help='Compute on this GPU.')


tf32_option = click.option('--tf32', is_flag=True, help='Let the GPU round what it multiplies to '
                           '10 bits (TF32): faster, and not exact.')


def device(gpu: int | None, tf32: bool = False) -> torch.device:
    """Return the device asked for; RuntimeError for a GPU that is not there."""
    if gpu is None:
        if tf32:
            raise click.UsageError('--tf32 is for a GPU: give --gpu ID as well')
        return torch.device('cpu')
    if gpu >= gpu_count():
        raise RuntimeError(f'--gpu {gpu}: {gpus_here()}; leave --gpu out to compute on the CPU')
    if tf32:
        use_tf32(True)
    return torch.device('cuda', gpu)


def deploy_net(variant: Variant, model: Path | None, width: float | None,
               classes: int | tuple[int, ...] | None):
    """Return the deploy net: from a file where one is given, else generated.

    Raises UsageError for a file with --width or --classes.
    """
    from port.engine.net import load_net
    if model is not None:
        refuse_fitting(model)
        return load_net(model)
    return load_net(make_net(variant, 'deploy', width=width, classes=classes))
