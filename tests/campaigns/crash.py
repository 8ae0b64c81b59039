"""make crash: kill every writing command at random moments, interrupt it, run it twice at once,
copy it; and take its disk away at every byte (full_disk.py).

    python tests/campaigns/crash.py --kills 300 --seed 1 [--only train,convert]
        [--counts build/campaigns/crash.json] [--minutes 60]

Half of the kills come on sight of a file in the making. What a killed command leaves is either
whole or not there; what it makes when it is run again has the bytes of a run that nobody killed.
Commands run in forked children of this process, which has torch loaded already.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).parent))

from children import ended, fast_disk, fork, load, said  # noqa: E402
from counts import Counts  # noqa: E402
from crash_jobs import Content, Job, command, contents, drawn, jobs, trained  # noqa: E402


class Fault(Exception):
    """What a kill broke."""


def making(folder: Path) -> bool:
    """Whether a file is in the making somewhere in a folder."""
    return any('.part' in name for _, folders, files in os.walk(folder)
               for name in (*folders, *files))


def lasts(pid: int, wait: float) -> bool:
    """Whether a child is still at work after a while; one that is not has been waited for."""
    end = time.monotonic() + wait
    while time.monotonic() < end:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
        time.sleep(.0005)
    return True


def kill(pid: int, folder: Path, wait: float, on_sight: bool) -> bool:
    """Kill a child after a while, or then on sight of a file in the making; False: it had ended."""
    if not lasts(pid, wait):
        return False
    while on_sight and not making(folder):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
    os.kill(pid, signal.SIGKILL)
    ended(pid)
    return True


class Campaign:
    """Trials of jobs, and the counts of what was done to them."""

    def __init__(self, room: Path, rng: random.Random, counts: Counts) -> None:
        self.room, self.rng, self.counts = room, rng, counts
        self.runs: dict[str, tuple[Content, float]] = {}
        self.faults: list[str] = []
        self.unfit: set[str] = set()         # jobs that fail though nobody kills them

    def count(self, job: Job, what: str) -> None:
        self.counts.add(job.name, Counter({what: 1}), 0)

    def begin(self, job: Job, folder: Path) -> int:
        return fork(command(job.args(folder)), folder)

    def whole(self, job: Job) -> tuple[Content, float]:
        """Return the files of a run that nobody kills, and how long it takes."""
        if job.name not in self.runs:
            folder = self.fresh(job)
            start = time.monotonic()
            status = ended(self.begin(job, folder))
            if status or not contents(folder):
                self.unfit.add(job.name)
                raise Fault(f'{job.name}: exit status {status}, {len(contents(folder))} files, '
                            f'though nobody killed it: {said(folder).read_text().strip()[-500:]}')
            self.runs[job.name] = contents(folder), time.monotonic() - start
        return self.runs[job.name]

    def fresh(self, job: Job) -> Path:
        """Return the folder of all runs, empty but for what the job needs: paths stay the same."""
        folder = self.room / 'work'
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        job.prepare(folder)
        return folder

    # -- what is done to a job: each lets it end, and holds its files against a whole run ----------

    def kills(self, job: Job) -> None:
        """Kill it up to `several` times."""
        expected, seconds = self.whole(job)
        folder = self.fresh(job)
        for _ in range(job.several):
            wait, on_sight = self.rng.uniform(0, seconds / job.several), self.rng.random() < .5
            if not kill(self.begin(job, folder), folder, wait, on_sight):
                break
            self.count(job, 'kills on sight' if on_sight else 'kills')
            self.check_left(job, folder, expected)
        self.finish(job, folder, expected)

    def signals(self, job: Job) -> None:
        """Ask it to stop, or for a snapshot, at any time."""
        expected, seconds = self.whole(job)
        folder = self.fresh(job)
        pid = self.begin(job, folder)
        if lasts(pid, self.rng.uniform(.1, 1) * seconds):
            number = self.rng.choice((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
            os.kill(pid, number)
            ended(pid)
            self.count(job, 'signals')
            self.check_left(job, folder, expected)
        self.finish(job, folder, expected)

    def twice(self, job: Job) -> None:
        """Run it a second time beside the first: one does the work, the other says so or waits."""
        expected, seconds = self.whole(job)
        folder = self.fresh(job)
        first = self.begin(job, folder)
        if lasts(first, self.rng.uniform(0, .8) * seconds):
            second = self.begin(job, folder)
            if self.rng.random() < .5 and lasts(first, self.rng.uniform(0, .5) * seconds):
                os.kill(first, signal.SIGKILL)
                ended(first)
            ended(second)
            self.count(job, 'two at once')
        try:
            ended(first)
        except ChildProcessError:                    # killed, or seen to end
            pass
        self.check_left(job, folder, expected)
        self.finish(job, folder, expected)

    def copied(self, job: Job) -> None:
        """Go on from a copy of a killed training, whose own weights are another training's now."""
        expected, seconds = self.whole(job)
        folder = self.fresh(job)
        kill(self.begin(job, folder), folder, self.rng.uniform(.3, 1) * seconds, False)
        shots, copy = folder / 'snapshot', folder / 'copy'
        states = sorted(shots.glob('train_iter_*.solverstate*'))
        if not states:
            return self.finish(job, folder, expected)
        shutil.copytree(shots, copy)
        for path in shots.glob('train_iter_*.caffemodel*'):
            path.write_bytes(b'')
        state = copy / states[0].name                # the earliest: much is left to do
        status = ended(fork(command([*job.args(folder)[:-1], str(state)]), folder))
        self.count(job, 'copies')
        if status and 'is at iteration' not in said(folder).read_text():
            raise Fault(f'{job.name}: a copy does not go on: {said(folder).read_text()[-500:]}')
        found, first = contents(folder), int(states[0].name.split('_iter_')[1].split('.')[0])
        later = {name: held for name, held in expected.items()
                 if '_iter_' in name and int(name.split('_iter_')[1].split('.')[0]) > first}
        self.compare(job, {name: found.get(name, b'') for name in later}, later)

    def finish(self, job: Job, folder: Path, expected: Content) -> None:
        """Let it end; its files must be those of a whole run."""
        if not self.done(job, folder, expected) or job.several == 1 or making(folder):
            status = ended(self.begin(job, folder))
            told = said(folder).read_text()
            if status and 'is at iteration' not in told:
                raise Fault(f'{job.name}: exit status {status} afterwards: {told[-500:]}')
        found = contents(folder)
        for name in [n for n in found if job.trains and n not in expected]:
            del found[name]                          # snapshots that were asked for by a signal
        self.compare(job, found, expected)
        if making(folder):
            raise Fault(f'{job.name}: what a killed run left is still there')

    def done(self, job: Job, folder: Path, expected: Content) -> bool:
        found = contents(folder)
        return all(found.get(name) == held for name, held in expected.items())

    def check_left(self, job: Job, folder: Path, expected: Content) -> None:
        """Raise Fault where a file with the name of a result is not a whole one."""
        for name, held in contents(folder).items():
            if name in expected and held != expected[name] and not name.endswith(job.grows):
                raise Fault(f'{job.name}: {name} is not whole after a kill')

    @staticmethod
    def compare(job: Job, found: Content, expected: Content) -> None:
        names = sorted(name for name in {*found, *expected}
                       if found.get(name) != expected.get(name))
        if names:
            raise Fault(f'{job.name}: other files or bytes than in a whole run: {names[:5]}')

    def run(self, todo: list[Job], kills: int, end: float) -> None:
        """Try all jobs in turn until so many kills were made in all, or until a time."""
        while time.monotonic() < end:
            self.rng.shuffle(todo)
            for job in todo:
                ways: list[Callable[[Job], None]] = [self.kills, self.kills]
                if job.trains:
                    ways += [self.signals, self.twice]
                if job.snapshots:
                    ways += [self.copied]
                for way in ways:
                    counted = self.counts.all
                    if counted['kills'] + counted['kills on sight'] >= kills:
                        return
                    if job.name not in self.unfit and time.monotonic() < end:
                        self.one(way, job)
            if len(self.unfit) == len(todo):
                return

    def one(self, way: Callable[[Job], None], job: Job) -> None:
        """Do a thing to a job; keep what a fault left."""
        try:
            way(job)
        except Fault as fault:
            self.faults.append(str(fault))
            self.count(job, 'fault')
            print(f'FAULT ({way.__name__}) {fault}', flush=True)
            shutil.copytree(self.room / 'work', self.room / f'fault-{len(self.faults)}',
                            symlinks=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=300, help='in all, with those counted before')
    parser.add_argument('--minutes', type=float, default=60)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--only', default='', help='names or beginnings of jobs, with commas')
    parser.add_argument('--counts', type=Path, help='a file of counts to go on from')
    given = parser.parse_args()
    load()
    counts = Counts(given.counts and given.counts.resolve())
    room = Path(tempfile.mkdtemp(prefix='crash-', dir=fast_disk()))
    data = drawn(room)
    campaign = Campaign(room, random.Random(f'{given.seed} {counts.all.total()}'), counts)
    todo = [job for job in jobs(data, trained(room))
            if job.name.startswith(tuple(given.only.split(',')))]
    campaign.run(todo, given.kills, time.monotonic() + 60 * given.minutes)
    print(counts.table())
    if campaign.faults:
        sys.exit(f'{len(campaign.faults)} fault(s); the folders are kept in {room}')
    shutil.rmtree(room)


if __name__ == '__main__':
    main()
