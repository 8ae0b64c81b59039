"""fcn caffe: the old command line, flags and log lines of the `caffe` tool (tools/caffe.cpp)."""

import logging
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from port.commands._ranks import become_torchrun, ranks_here
from port.commands._shared import defining

# glog's own flags, which people pass along; log_dir and minloglevel do something.
LOGGING: dict[str, Any] = {
    'log_dir': '', 'minloglevel': 0, 'logtostderr': False, 'alsologtostderr': True,
    'stderrthreshold': 0, 'colorlogtostderr': False, 'v': 0, 'log_prefix': True}
LEVELS = (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
USAGE = '''usage: fcn caffe <command> <args>

commands:
  train           train or finetune a model
  test            score a model
  device_query    show GPU diagnostic information
  time            benchmark model execution time'''


@click.command(context_settings={'ignore_unknown_options': True, 'help_option_names': ['--help']},
               add_help_option=True,
               epilog='Example:  fcn caffe train -solver solver.prototxt -weights a.caffemodel')
@click.argument('args', nargs=-1, type=click.UNPROCESSED)
@defining
def command(args: tuple[str, ...]) -> None:
    """Do what `caffe train|test|time|device_query` does.

    \b
    Flags, with one dash or two, `-flag value` or `-flag=value`:
      -solver FILE       the solver (train)
      -snapshot FILE     the .solverstate to resume from (train)
      -weights FILES     weights to start from, separated by commas (train, test)
      -model FILE        the net (test, time)
      -iterations N      passes to run (test, time); 50
      -gpu ID            compute on this GPU; train also on several, 0,1 or all
      -phase TRAIN|TEST  the net's phase (time); TRAIN
      -level N, -stage A,B   the net's level and stages
      -sigint_effect, -sighup_effect  stop, snapshot or none (train)
      -log_dir FOLDER    write the log there too, as caffe.INFO
    """
    from port.caffe_tool import gflags, tool
    from port.distributed.alone import launched
    try:
        found, words = gflags.parse(args, {**tool.FLAGS, **LOGGING})
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    flags: dict[str, Any] = dict(found)
    if len(words) != 1:
        raise click.UsageError(USAGE)
    if words[0] not in tool.ACTIONS:
        close = get_close_matches(words[0], tool.ACTIONS, 1)
        raise click.UsageError(f'Unknown action: {words[0]}. Available caffe actions: '
                               f'{", ".join(tool.ACTIONS)}'
                               + (f'; did you mean {close[0]}?' if close else ''))
    if words[0] == 'train':
        if not launched() and len(numbers := tool.train_gpus(flags)) > 1:
            become_torchrun(len(numbers))
        with ranks_here(bool(flags['gpu'])) as ranks:
            _logged(flags, lambda: tool.train(flags, ranks), ranks.first)
    else:
        _logged(flags, lambda: tool.ACTIONS[words[0]](flags))


def _logged(flags: dict[str, Any], work: Callable[[], None], first: bool = True) -> None:
    """Do something while the log goes where the flags say; of several processes, the first's."""
    from port.training import glog
    handlers = [glog.to_stderr()] if first else []
    if flags['log_dir'] and first:
        handlers.append(glog.to_file(Path(flags['log_dir']) / 'caffe.INFO'))
    logging.getLogger('port').setLevel(LEVELS[min(max(flags['minloglevel'], 0), 3)])
    try:
        work()
    finally:
        for handler in handlers:
            glog.stop(handler)
