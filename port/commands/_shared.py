"""What several commands ask for in the same way: a net, a mean, the device, kinds of numbers.

Nothing here, nor in the commands' files, imports netspec or torch before a command does its work:
their import is most of the time that help would take.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click
from click.core import ParameterSource

from port.commands._screen import screenful
from port.engine.net_policy import looking_only

if TYPE_CHECKING:
    from netspec.named_net import Classes, NamedNet
    from netspec.schema.messages import NetParameter
    from netspec.variants import Variant
    from port.engine.net import Loaded

SHOWN = 20  # problems printed before the rest is only counted
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
Context: TypeAlias = click.Context | None
Param: TypeAlias = click.Parameter | None
Decorator: TypeAlias = Callable[[Any], Any]


# -- kinds of values -------------------------------------------------------------------------------

class NetName(click.ParamType):
    """NET: a published name, a folder of `fcn new` or `fcn reproduce`, or a prototxt file."""

    name = 'net'

    def convert(self, value: Any, param: Param, ctx: Context) -> NamedNet:
        from netspec import named_net
        if isinstance(value, named_net.NamedNet):
            return value
        try:
            return named_net.find_net(value)
        except KeyError as error:
            self.fail(str(error.args[0]), param, ctx)


class RowName(NetName):
    """A NET of which it is known where it comes from: no prototxt."""

    def convert(self, value: Any, param: Param, ctx: Context) -> Any:
        from netspec import variants
        if isinstance(value, variants.Variant):
            return value
        try:
            return super().convert(value, param, ctx).known_row('this command')
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Sizes(click.ParamType):
    """Image sizes, height first: HxW, several with commas."""

    name = 'HxW[,HxW…]'

    def convert(self, value: Any, param: Param, ctx: Context) -> list[tuple[int, int]]:
        if isinstance(value, list):
            return value
        sizes = []
        for part in value.split(','):
            match = re.fullmatch(r'\s*([1-9]\d{0,4})x([1-9]\d{0,4})\s*', part)
            if not match:
                self.fail(f'{part!r} is not a size; expected HEIGHTxWIDTH, such as 375x500',
                          param, ctx)
            sizes.append((int(match[1]), int(match[2])))
        return sizes


class Size(Sizes):
    """One image size, height first: HxW."""

    name = 'HxW'

    def convert(self, value: Any, param: Param, ctx: Context) -> Any:
        if isinstance(value, tuple):
            return value
        sizes = super().convert(value, param, ctx)
        if len(sizes) > 1:
            self.fail(f'{value!r}: expected one size', param, ctx)
        return sizes[0]


class ClassCounts(click.ParamType):
    """A number of classes, or one for each head with commas."""

    name = 'N[,N]'

    def convert(self, value: Any, param: Param, ctx: Context) -> Classes:
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

    def convert(self, value: Any, param: Param, ctx: Context) -> float:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f'{value!r} is not a finite number', param, ctx)
        return number


class Colours(click.ParamType):
    """Three numbers, red green blue."""

    name = 'R,G,B'

    def convert(self, value: Any, param: Param, ctx: Context) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        numbers = three_numbers(value)
        if not numbers or not all(0 <= v <= 1 for v in numbers):
            self.fail(f'{value!r} is not three numbers of 0..1 with commas', param, ctx)
        return numbers


class Mean(NetName):
    """Three numbers, blue green red, or a NET whose mean is meant."""

    name = 'B,G,R|NET'

    def convert(self, value: Any, param: Param, ctx: Context) -> Any:
        if isinstance(value, tuple):
            return value
        if re.fullmatch(r'[-+.,\deE\s]+', value):
            numbers = three_numbers(value)
            if not numbers:
                self.fail(f'{value!r} is no mean; expected B,G,R such as 104.007,116.669,122.679',
                          param, ctx)
            return numbers
        return RowName().convert(value, param, ctx).mean


def three_numbers(text: str) -> tuple[float, ...]:
    """Read three numbers with commas between; () where they are none."""
    try:
        numbers = tuple(float(v) for v in text.split(','))
    except ValueError:
        return ()
    return numbers if len(numbers) == 3 else ()


WIDTH = Finite(min=0, min_open=True)


# -- options ---------------------------------------------------------------------------------------

def renamed(old: str, new: str, flag: bool = False) -> Decorator:
    """Let an option of earlier versions say in one line what it is called now.

    new: what to write in its place.
    """
    def say(ctx: click.Context, param: click.Parameter, value: object) -> None:
        if value not in (None, False, ()):
            raise click.UsageError(f'{old} is now {new}')
    own = f'old_{old.strip("-").replace("-", "_")}'       # the name of no other option's value
    return click.option(old, own, hidden=True, expose_value=False, is_eager=True, is_flag=flag,
                        callback=say)


def given_as(kind: Callable[..., Any]) -> Callable[[Callable[[Any], None]], Callable[..., None]]:
    """Hand all options of a command to it as one object of this kind."""
    def taking(function: Callable[[Any], None]) -> Callable[..., None]:
        @wraps(function)
        def wrapped(**options: Any) -> None:
            function(kind(**options))
        return wrapped
    return taking


def options_given() -> list[click.Parameter]:
    """Return what the command line set of the running command's options and arguments."""
    context = click.get_current_context()
    return [param for param in context.command.params if param.name is not None
            and context.get_parameter_source(param.name) is not ParameterSource.DEFAULT]


@dataclass(frozen=True)
class AskedNet:
    """The net that a command is to work with: NET, and the --width and --classes to make it with.
    """

    named: NamedNet
    width: float | None = None
    classes: Classes = None

    @property
    def row(self) -> Variant | None:
        """The row of the table of nets; None for a prototxt."""
        return self.named.row

    def source(self) -> NetParameter | Path:
        """Return the deploy net, made or in its file."""
        return self.named.deploy(self.width, self.classes)

    def loaded(self) -> Loaded:
        """Return the deploy net as port.Net takes it."""
        from port.engine.net import load_net
        return load_net(self.source())

    def weights(self, given: str | None, more: str = '') -> str:
        """Return the weights given, else those that are there already; UsageError if none are.

        more: what may be given instead.
        """
        fitted = self.named.folder is None and (self.width or self.classes)   # others fit it
        found = given or (None if fitted else self.named.trained())
        if not found:
            raise click.UsageError(f'give --weights{more}: {self.named.given} is no folder in '
                                   'which a net was trained, nor listed by `fcn weights`')
        return str(found)


def fitting(function: Callable) -> Callable:
    """Add --width and --classes, which fit a net to a machine and to a dataset."""
    for option in (
            click.option('--classes', type=ClassCounts(),
                         help='Number of classes of your dataset.'),
            click.option('--width', type=WIDTH, help="Scale the trunk's channels; 0.25 trains on a "
                         'small machine.  [default: 1, or that of the folder]')):
        function = option(function)
    return function


def net_argument(function: Callable) -> Callable:
    """Add NET, --width and --classes: the command gets them as `net`, an AskedNet."""
    @click.argument('named', metavar='NET', type=NetName())
    @fitting
    @wraps(function)
    def wrapped(named: NamedNet, width: float | None, classes: Classes, **options: Any) -> None:
        if named.row is None:
            refuse_fitting(named.given)
        function(net=AskedNet(named, width, classes), **options)
    return wrapped


def refuse_fitting(file: object) -> None:
    """Raise UsageError where --width or --classes is given, but the net is in a file."""
    for option in options_given():
        if option.name in ('width', 'classes'):
            raise click.UsageError(f'{option.opts[0]} is for a net by name; a prototxt has its own '
                                   f'{option.name}: {file}')


MODEL_IS_NET = 'NET itself, which may be a prototxt'
weights_option = click.option('--weights', metavar='FILE', help='The weights; several files with '
                              'commas.  [default: what was trained in the folder NET, or comes '
                              'along with it: `fcn weights`]')


def looking(function: Callable) -> Callable:
    """Add --allow-python: of a net that is only looked at, no code of others is run unasked."""
    @click.option('--allow-python', 'allowed', multiple=True, metavar='MODULE',
                  help='Let Python layers of the net import this module of yours, which runs its '
                  'code; may be repeated. The data layers that come along need no leave.')
    @wraps(function)
    def wrapped(*args: Any, allowed: tuple[str, ...], **options: Any) -> None:
        with looking_only(allowed):
            function(*args, **options)
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
    def wrapped(*args: Any, defined: dict[str, str], **options: Any) -> None:
        from netspec.schema import placeholders
        with placeholders(defined):
            function(*args, **options)
    return wrapped


def pixel_options(function: Callable) -> Callable:
    """Add --rgb-mean and --rgb-std: `pixels`, where weights expect others than usual."""
    @click.option('--rgb-mean', type=Colours(), help='The mean that torchvision- or timm-named '
                  'weights expect subtracted.  [default: ImageNet\'s; GoogLeNet: 0.5]')
    @click.option('--rgb-std', type=Colours(), help='The deviation that they expect divided by.')
    @wraps(function)
    def wrapped(*args: Any, rgb_mean: tuple[float, ...] | None,
                rgb_std: tuple[float, ...] | None, **options: Any) -> None:
        if (rgb_mean is None) != (rgb_std is None):
            raise click.UsageError('give --rgb-mean and --rgb-std, or neither')
        from surgery.pixels import Pixels
        pixels = Pixels(rgb_mean, rgb_std) if rgb_mean and rgb_std else None
        function(*args, pixels=pixels, **options)
    return wrapped


gpu_option = click.option('--gpu', type=click.IntRange(min=0), metavar='ID',
                          help='Compute on this GPU.')
tf32_option = click.option('--tf32', is_flag=True, help='Let the GPU round what it multiplies to '
                           '10 bits (TF32): faster, and not exact.')


def device_options(tf32: bool = False) -> Callable[[Callable], Callable]:
    """Add --gpu, and --tf32 where a command has a use for it: the command gets `device`."""
    def taking(function: Callable) -> Callable:
        @gpu_option
        @wraps(function)
        def wrapped(*args: Any, gpu: int | None, **options: Any) -> None:
            function(*args, device=device(gpu, options.pop('tf32', False)), **options)
        return tf32_option(wrapped) if tf32 else wrapped
    return taking


def device(gpu: int | None, tf32: bool = False) -> str:
    """Return torch's name of the device asked for; RuntimeError for a GPU that is not there."""
    if gpu is None:
        if tf32:
            raise click.UsageError('--tf32 is for a GPU: give --gpu ID as well')
        return 'cpu'
    from port.engine.devices import gpu_count, gpus_here
    from port.engine.precision import use_tf32
    if gpu >= gpu_count():
        raise RuntimeError(f'--gpu {gpu}: {gpus_here()}; leave --gpu out to compute on the CPU')
    if tf32:
        use_tf32(True)
    return f'cuda:{gpu}'


def json_option(what: str) -> Decorator:
    """Add --json [FILE]: `json_path`, '-' where no file is named."""
    return click.option('--json', 'json_path', is_flag=False, flag_value='-', metavar='[FILE]',
                        help=f'Write {what} as JSON to FILE, or print it instead of the table.')


def tell(content: object, table: str, json_path: str | None) -> None:
    """Print a table, or write what it says as JSON: to a file as well, or printed instead."""
    import json
    text = json.dumps(content, indent=2)
    click.echo(text if json_path == '-' else table)
    if json_path not in (None, '-'):
        from netspec.schema import write_atomic
        write_atomic(Path(str(json_path)), [f'{text}\n'.encode()])


def check_json(json_path: str | None, read: Sequence[str | Path] = ()) -> None:
    """Raise before the work where --json names a file that is read, or a folder that is not there.
    """
    if json_path in (None, '-'):
        return
    from netspec.schema import spare
    path = Path(str(json_path))
    if not path.parent.is_dir():
        raise FileNotFoundError(f'{path}: the folder {path.parent} does not exist; make it first')
    spare([path], read, 'name another --json')


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
