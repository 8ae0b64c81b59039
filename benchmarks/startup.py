"""Claim: `fcn --help`, `list`, `generate` and each command's help take at most 2.5 times the time
of a process that only imports numpy and google.protobuf, on which they stand.

Each is a fresh process, the contenders in turn. Counted is the processor's time, of each the least
of the runs: other jobs of the machine disturb it least. The bytecode of all is compiled before.
    python benchmarks/startup.py [--runs 15]
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from forward import machine

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 2.5
MEASURE = 'import numpy, google.protobuf'
VERBS = ('--help', 'list', 'generate voc-fcn8s --check', 'train --help', 'infer --help',
         'reproduce --help')
CONTENDERS = {'import': ['-c', MEASURE],
              **{f'fcn {words}': ['-m', 'port', *words.split()] for words in VERBS}}


def seconds(args: list[str], environment: dict[str, str]) -> float:
    """Return the processor's time of a fresh process of Python."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *args], cwd=ROOT, check=True, env=environment,
                   stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--runs', type=int, default=15)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {'PYTHONPYCACHEPREFIX': folder, 'OMP_NUM_THREADS': '1'}
        environment.pop('PYTHONDONTWRITEBYTECODE', None)
        for args in CONTENDERS.values():                # compiles the bytecode
            seconds(args, environment)
        turns = [[seconds(args, environment) for args in CONTENDERS.values()]
                 for _ in range(runs)]
    least = dict(zip(CONTENDERS, map(min, *turns, [float('inf')] * len(CONTENDERS)), strict=True))
    ratios = {name: round(value / least['import'], 2) for name, value in least.items()}
    ratios.pop('import')
    print(json.dumps({'runs': runs, 'cpu_s': {name: round(v, 3) for name, v in least.items()},
                      'ratio': ratios, 'limit': LIMIT, 'machine': machine()}, indent=1))
    sys.exit(max(ratios.values()) > LIMIT)


if __name__ == '__main__':
    main()
