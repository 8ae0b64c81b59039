"""What several commands ask for in the same way: a net and its weights, the device, JSON.

Nothing here, nor in the commands' files, imports netspec or torch before a command does its work:
their import is most of the time that help would take.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click
from click.core import ParameterSource

from port.commands._screen import screenful
from port.commands._values import WIDTH, ClassCounts, Colours, NetName
from port.engine.net_policy import looking_only

if TYPE_CHECKING:
    from netspec.named_net import Classes, NamedNet
    from netspec.schema.messages import NetParameter
    from netspec.variants import Variant
    from port.engine.net import Loaded

SHOWN = 20  # problems printed before the rest is only counted
Decorator: TypeAlias = Callable[[Any], Any]


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


def net_argument(function: Callable, required: bool = True) -> Callable:
    """Add NET, --width and --classes: the command gets them as `net`, an AskedNet.

    required: else `net` is None where none is given.
    """
    @click.argument('named', metavar='NET' if required else '[NET]', type=NetName(),
                    required=required)
    @fitting
    @wraps(function)
    def wrapped(named: NamedNet | None, width: float | None, classes: Classes,
                **options: Any) -> None:
        if named is None:
            function(net=None, **options)
            return
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
weights_option = click.option('--weights', metavar='FILE[,FILE…]', help='The weights.  '
                              '[default: what was trained in the folder NET, or comes along with '
                              'it: `fcn weights`]')



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


def engine_options(function: Callable) -> Callable:
    """Add --fast/--exact: `fast`, None where neither is given (port.fast.speed_up decides then)."""
    function = click.option(
        '--fast/--exact', default=None, help='--exact computes all layers one by one, as Caffe '
        'does; --fast leaves out the zeros around the images and takes layers together: the same '
        'numbers within rounding, in less time (docs/padding.md).  [default: --fast on a CPU, '
        '--exact on a GPU]')(function)
    return renamed('--no-fast', '--exact', flag=True)(function)


class WithJson(click.Command):
    """A command with --json[=FILE]: what follows --json alone is an argument, such as NET."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for word, after in zip(args, args[1:], strict=False):
            if word == '--json' and after.endswith('.json'):
                raise click.UsageError(f'--json {after} is now --json={after}', ctx)
        return super().parse_args(ctx, ['--json=-' if word == '--json' else word for word in args])


class GroupWithJson(WithJson, click.Group):
    """A group of commands that does something by itself, with --json[=FILE]."""


def json_option(what: str) -> Decorator:
    """Add --json[=FILE] to a command WithJson: `json_path`, '-' where no file is named."""
    return click.option('--json', 'json_path', metavar='[=FILE]',
                        help=f'Print {what} as JSON instead of the table, or write it to FILE as '
                        'well.')


def tell(content: object, table: str, json_path: str | None) -> None:
    """Print a table, or write what it says as JSON: to a file as well, or printed instead."""
    import json
    text = json.dumps(content, indent=2)
    click.echo(text if json_path == '-' else table)
    if json_path not in (None, '-'):
        from netspec.schema import write_atomic
        write_atomic(Path(str(json_path)), [f'{text}\n'.encode()])


def check_json(json_path: str | None, read: Sequence[str | Path] = ()) -> None:
    """Do as check_output for --json, whose `-` is no file."""
    if json_path not in (None, '-'):
        check_output(json_path, read, '--json')


def check_output(given: str | Path | None, read: Sequence[str | Path], option: str) -> None:
    """Raise before the work where an option names a file that is read, or a folder that is not
    there.
    """
    if given is None:
        return
    from netspec.schema import spare
    path = Path(given)
    if not path.parent.is_dir():
        raise FileNotFoundError(f'{path}: the folder {path.parent} does not exist; make it first')
    spare([path], read, f'name another {option}')


def seed_option(what: str) -> Decorator:
    """Add --seed: the seed of what is drawn at random."""
    return click.option('--seed', type=click.IntRange(min=0), metavar='N', default=1337,
                        show_default=True, help=f'Of {what}.')


def ignore_option(default: str) -> Decorator:
    """Add --ignore-label: `ignore_label`, None where none is named."""
    return click.option('--ignore-label', type=click.IntRange(0, 255), metavar='LABEL',
                        help='Label value that is neither learnt nor scored, of no class.  '
                        f'[default: {default}]')


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
