"""Claim: building FCN-8s and reading its 538 MB caffemodel into it takes at most 2.5 times as long
as a plain read of the file (0.5 s where that takes 0.2).

All in turn, medians:
    python benchmarks/net_load.py [--dir /tmp] [--repeat 5] [--busy]
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from caffemodel_load import NET, make_file, plain_read
from forward import machine

from netspec.families.fcn import fcn
from netspec.schema.messages import TEST
from port.engine.net import Net

LIMIT = 2.5


def measure(path: Path, repeat: int, clock) -> dict[str, float]:
    """Return the median seconds of reading, of building with weights, of reading into a net."""
    param = fcn(NET, 'deploy')
    kept = Net(param, TEST)
    tasks = {'read': lambda: plain_read(path), 'net with weights': lambda: Net(param, TEST,
                                                                              weights=path),
             'into a net': lambda: kept.copy_from(path)}
    seconds = {name: [] for name in tasks}
    for turn in range(repeat + 1):
        for name, run in tasks.items():
            begin = clock()
            result = run()
            if turn:
                seconds[name].append(clock() - begin)
            del result
    return {name: round(statistics.median(times), 4) for name, times in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--dir', help='where the file is made (and removed)')
    parser.add_argument('--repeat', type=int, default=5)
    parser.add_argument('--busy', action='store_true', help='measure processor time')
    options = parser.parse_args()
    clock = time.process_time if options.busy else time.perf_counter
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        path = Path(folder) / f'{NET}.caffemodel'
        result = {'file': make_file(path), 'seconds': measure(path, options.repeat, clock)}
    seconds = result['seconds']
    result['ratio'] = {name: round(value / seconds['read'], 3) for name, value in seconds.items()}
    result['machine'] = machine()
    print(json.dumps(result, indent=1))
    sys.exit(result['ratio']['net with weights'] > LIMIT)


if __name__ == '__main__':
    main()
