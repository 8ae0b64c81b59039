"""make sanitize: the C kernels under the address and undefined-behaviour sanitizers, and predictors
called from many threads.

    python tests/campaigns/sanitize.py [--threads 8] [--seconds 60]

The kernels are compiled anew, with $CC asking for the sanitizers, into a cache of this run's; the
tests of all that calls them run with the sanitizers' library loaded first. Any report fails.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WHAT = '-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g'
# What compiles by itself asks for its own flags, and cannot be had with the sanitizers'.
TESTS = ['tests/port/fast', 'tests/port/native', 'tests/port/crf', 'tests/port/predict',
         '--ignore=tests/port/native/test_compiler.py']
REPORTS = ('AddressSanitizer', 'runtime error:', 'UndefinedBehaviorSanitizer')


def library(name: str) -> str:
    """Return the path of a sanitizer's library, as the compiler knows it."""
    return subprocess.run(['gcc', f'-print-file-name={name}'], capture_output=True, text=True,
                          check=True).stdout.strip()


def surroundings(cache: str) -> dict[str, str]:
    """Return the environment in which kernels are compiled with the sanitizers and loaded."""
    return os.environ | {
        # the compiler itself runs without them: under them it takes minutes
        'CC': f'env -u LD_PRELOAD gcc {WHAT}', 'XDG_CACHE_HOME': cache, 'OMP_NUM_THREADS': '1',
        'LD_PRELOAD': f'{library("libasan.so")} {library("libubsan.so")}',
        'ASAN_OPTIONS': 'detect_leaks=0:abort_on_error=1:allocator_may_return_null=1',
        'UBSAN_OPTIONS': 'print_stacktrace=1:halt_on_error=1'}


def checked(what: str, words: list[str], env: dict[str, str]) -> bool:
    """Run a command; print how it ended, and what a sanitizer said."""
    start = time.monotonic()
    done = subprocess.run([sys.executable, *words], cwd=ROOT, env=env, capture_output=True,
                          text=True)
    said = done.stdout + done.stderr
    reports = [line for line in said.splitlines() if any(word in line for word in REPORTS)]
    good = done.returncode == 0 and not reports
    print(f'{what}: {"good" if good else "FAULT"} in {time.monotonic() - start:.0f} s, exit status '
          f'{done.returncode}, {len(reports)} report(s)\n  '
          + '\n  '.join(reports[:5] or said.strip().splitlines()[-3 if good else -15:]), flush=True)
    return good


def called_from_many_threads(threads: int, seconds: float) -> None:
    """Call new predictors from many threads at once; all labels must be those of one thread."""
    import numpy as np

    from netspec.families.fcn import fcn
    from netspec.schema.messages import TEST
    from netspec.variants import VARIANTS
    from port.engine.net import Net
    from port.engine.random_weights import random_weights
    from port.predict.predictor import predictor
    sys.setswitchinterval(1e-5)
    rng, end, rounds, wrong = np.random.default_rng(1), time.monotonic() + seconds, 0, []
    pictures = [rng.integers(0, 256, (rng.integers(20, 90), rng.integers(20, 90), 3), 'u1')
                for _ in range(threads)]
    for name in ('voc-fcn32s', 'voc-fcn8s', 'camvid-fcn8s') * 1000:
        if time.monotonic() > end and rounds > 2:
            break
        row = VARIANTS[name]
        net = Net(fcn(row, 'deploy', width=.03125), TEST)
        random_weights(net, rounds)
        alone = predictor(net, None, mean=row.mean)
        expected = [alone(alone.planes(p)[None]).clone() for p in pictures]
        shared = predictor(net, None, mean=row.mean)      # its weights are packed when first called

        def work(i: int, call=shared, wanted=expected) -> None:
            try:
                for j in range(i, i + 3):
                    picture = pictures[j % threads]
                    if not call(call.planes(picture)[None]).equal(wanted[j % threads]):
                        wrong.append('other scores')
            except Exception as error:
                wrong.append(repr(error))
        group = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
        for thread in group:
            thread.start()
        for thread in group:
            thread.join()
        rounds += 1
    print(f'{rounds} new predictors, {threads} threads each, {len(wrong)} wrong')
    if wrong:
        sys.exit(f'{wrong[0]}')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--threads', type=int, default=8)
    parser.add_argument('--seconds', type=float, default=60)
    parser.add_argument('--only-threads', action='store_true', help='without the sanitizers')
    given = parser.parse_args()
    if given.only_threads:
        called_from_many_threads(given.threads, given.seconds)
        return
    if not shutil.which('gcc'):
        sys.exit('the sanitizers come with gcc, which is not here')
    me = [str(Path(__file__)), '--only-threads', '--threads', str(given.threads), '--seconds']
    with tempfile.TemporaryDirectory(prefix='sanitize-') as cache:
        env = surroundings(cache)
        good = [checked('tests', ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', *TESTS], env),
                checked('threads under the sanitizers', [*me, str(given.seconds)], env)]
        built = sorted({path.name.split('-')[0] for path in Path(cache).rglob('*.so')})
    print(f'compiled with the sanitizers: {", ".join(built) or "nothing"}')
    good.append(len(built) > 1)
    good.append(checked('threads', [*me, str(given.seconds)], dict(os.environ)))
    sys.exit(not all(good))


if __name__ == '__main__':
    main()
