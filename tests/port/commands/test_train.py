"""fcn train: solver, weights, log, snapshots, signals, going on bit for bit, stages by name."""

import re
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import surgery
from netspec.schema.messages import TRAIN
from port.engine.net import Net
from port.training.snapshot import read_state

pytestmark = pytest.mark.usefixtures('one_thread')

STEPS = 60                   # more than the pipe of a process that is not read lets through


def blobs_of(path: Path) -> dict[tuple[str, int], np.ndarray]:
    return {(layer, i): np.array(blob) for layer, blobs in surgery.read_weights(path).items()
            for i, blob in enumerate(blobs)}


def same(one: Path, other: Path) -> bool:
    """Whether two weight files hold the same bits."""
    a, b = blobs_of(one), blobs_of(other)
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def test_log_snapshots_and_report(scenes, make_run, tmp_path: Path, fcn) -> None:
    run = make_run(tmp_path / 'r', scenes, snapshot=2, max_iter=3, average_loss=1)
    result = fcn('train', '--solver', run / 'solver.prototxt')
    assert result.exit_code == 0
    assert all(line.startswith('train ') for line in result.stderr.splitlines())   # if it is slow
    assert result.stdout.endswith(
        f'trained 3 iterations; weights in {run}/snapshot/train_iter_3.caffemodel\n')
    names = {p.name for p in (run / 'snapshot').iterdir()}
    assert names == {'train.log', 'train.csv', *(f'train_iter_{i}.{kind}' for i in (2, 3)
                                    for kind in ('caffemodel', 'solverstate'))}
    log = (run / 'snapshot' / 'train.log').read_text()
    assert log in result.stdout                   # no terminal for the bar: the log stands in
    glog = r'I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ \w+\.cpp:\d+\] '
    assert all(re.match(glog, line) for line in log.splitlines())
    for i in range(3):
        assert re.search(rf'{glog}Iteration {i} \(\S+ iter/s, \S+s/1 iters\), loss = \d', log)
    assert re.search(r'\] Snapshotting to binary proto file \S+train_iter_2\.caffemodel', log)


def test_log_option_and_iterations(scenes, make_run, tmp_path: Path, fcn) -> None:
    run = make_run(tmp_path / 'r', scenes)
    result = fcn('train', '--solver', run / 'solver.prototxt', '--iterations', 1, '--log',
                 tmp_path / 'logs' / 'a.log')
    assert result.exit_code == 0 and 'trained 1 iterations' in result.stdout
    assert 'Iteration 0' in (tmp_path / 'logs' / 'a.log').read_text()
    assert not (run / 'snapshot' / 'train.log').exists()


def test_iterations_leave_the_rate_as_it_is(scenes, make_run, tmp_path: Path, fcn,
                                            refused) -> None:
    """lr in the log is that of the solver file's max_iter; beyond it poly has none."""
    run = make_run(tmp_path / 'r', scenes, lr_policy='poly', power=.5, max_iter=4)
    result = fcn('train', '--solver', run / 'solver.prototxt', '--iterations', 2)
    assert result.exit_code == 0
    assert re.findall(r'Iteration \d, lr = (\S+)', result.stdout) == ['1e-09', '8.66025e-10']
    line = refused('train', '--solver', run / 'solver.prototxt', '--iterations', 5)
    assert 'no rate from there to iteration 5' in line and 'solver.prototxt' in line


def test_weights_are_the_start(trained: Path, scenes, make_run, tmp_path: Path, fcn) -> None:
    """At a learning rate of zero nothing moves from where --weights put it."""
    run, start = make_run(tmp_path / 'r', scenes, base_lr=0), trained / 'trained.caffemodel'
    assert fcn('train', '--solver', run / 'solver.prototxt', '--weights', start, '--iterations',
               1).exit_code == 0
    assert same(run / 'snapshot' / 'train_iter_1.caffemodel', start)


def test_staged_by_name(trained: Path, scenes, make_run, tmp_path: Path, fcn) -> None:
    """32s into 16s: what has the same name starts from there, what is new as a new net starts."""
    run = make_run(tmp_path / 'r', scenes, 'voc-fcn16s', base_lr=0)
    start = blobs_of(trained / 'trained.caffemodel')
    assert fcn('train', '--solver', run / 'solver.prototxt', '--weights',
               trained / 'trained.caffemodel', '--iterations', 1).exit_code == 0
    got = blobs_of(run / 'snapshot' / 'train_iter_1.caffemodel')
    new = {'score_pool4', 'upscore2', 'upscore16'}
    assert {layer for layer, _ in got} == {layer for layer, _ in start} - {'upscore'} | new
    assert all(np.array_equal(got[key], start[key]) for key in got if key[0] not in new)
    assert not got['score_pool4', 0].any()
    ramp = np.array([.25, .75, .75, .25], 'f')
    assert np.array_equal(got['upscore2', 0][3, 3], np.outer(ramp, ramp))
    assert not got['upscore2', 0][3, 4].any()


def test_warns_of_a_net_that_cannot_learn(scenes, make_run, tmp_path: Path, fcn) -> None:
    """The original's zero-filled trunk without --weights: said loudly, in the log as well."""
    run = make_run(tmp_path / 'r', scenes)
    net = run / 'train.prototxt'
    text = re.sub(r'\n    weight_filler \{[^}]*\}', '', net.read_text())
    net.write_text(text)
    result = fcn('train', '--solver', run / 'solver.prototxt', '--iterations', 1)
    assert result.exit_code == 0
    (line,) = result.stderr.splitlines()
    assert line.startswith('fcn: warning: NO WEIGHTS in conv1_1, conv1_2')
    assert 'fcn surgery' in line and '--weights' in line
    assert 'NO WEIGHTS' in (run / 'snapshot' / 'train.log').read_text()


@pytest.fixture(scope='module')
def through(scenes, make_run, tmp_path_factory) -> Callable[[bool], Path]:
    """through(fast) -> the weights of a run of STEPS iterations that nobody interrupts."""
    return lambda fast: uninterrupted(
        make_run(tmp_path_factory.mktemp('through') / 'r', scenes, max_iter=STEPS), fast)


def uninterrupted(run: Path, fast: bool) -> Path:
    from port.engine.starting_weights import prepare
    from port.fast.speed_up import train_by
    from port.training.solver import Solver
    solver = Solver(run / 'solver.prototxt')
    train_by(solver, fast)
    prepare(solver.net)
    solver.step(STEPS)
    return Path(solver.snapshot())


@pytest.mark.parametrize('number,engine', [(signal.SIGINT, ()), (signal.SIGTERM, ('--exact',))])
def test_interrupted_and_resumed(number: signal.Signals, engine: tuple[str, ...], through, scenes,
                                 make_run, tmp_path: Path, start, fcn) -> None:
    """Data order and dropout go on too: the weights at the end are those of `through`."""
    run = make_run(tmp_path / 'r', scenes, max_iter=STEPS)
    process = start('train', '--solver', run / 'solver.prototxt', *engine)
    for line in process.stdout:
        if 'Iteration 2 ' in line:
            process.send_signal(number)
            break
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    line = errors.splitlines()[-1]           # after what is told of a slow machine's progress
    found = re.fullmatch(r'fcn: interrupted at iteration (\d+); go on with: fcn train … '
                         r'--snapshot (\S+)', line)
    assert found and 2 < int(found[1]) < STEPS
    state = run / 'snapshot' / f'train_iter_{found[1]}.solverstate'
    assert found[2] == str(state) and read_state(state).iteration == int(found[1])
    assert sorted(p.name for p in state.parent.iterdir()) == sorted(
        ['train.log', 'train.csv', state.name, f'{state.stem}.caffemodel'])
    log = state.parent / 'train.log'
    assert 'Optimization stopped early.' in log.read_text()
    result = fcn('train', '--solver', run / 'solver.prototxt', '--snapshot', state,
                 *engine)
    assert result.exit_code == 0
    assert same(run / 'snapshot' / f'train_iter_{STEPS}.caffemodel', through(not engine))
    assert log.read_text().count('Solving ') == 2                  # appended to


def test_snapshot_on_hangup(scenes, make_run, tmp_path: Path, start) -> None:
    """SIGHUP snapshots and goes on, as caffe's default; a second stop signal ends at once."""
    run = make_run(tmp_path / 'r', scenes, max_iter=STEPS)
    process = start('train', '--solver', run / 'solver.prototxt')
    for line in process.stdout:
        if 'Iteration 2 ' in line:
            process.send_signal(signal.SIGHUP)
        if 'Snapshotting solver state' in line:
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert len(list((run / 'snapshot').glob('*.solverstate'))) == 2


def test_snapshot_at_the_end_already(scenes, make_run, tmp_path: Path, fcn, refused) -> None:
    run = make_run(tmp_path / 'r', scenes, max_iter=1)
    assert fcn('train', '--solver', run / 'solver.prototxt').exit_code == 0
    state = run / 'snapshot' / 'train_iter_1.solverstate'
    line = refused('train', '--solver', run / 'solver.prototxt', '--snapshot', state)
    assert f'{state}: is at iteration 1 already' in line and '--iterations' in line


def test_state_of_another_net(trained: Path, scenes, make_run, tmp_path: Path, fcn,
                              refused) -> None:
    coarse = make_run(tmp_path / 'a', scenes, max_iter=1)
    assert fcn('train', '--solver', coarse / 'solver.prototxt').exit_code == 0
    fine = make_run(tmp_path / 'b', scenes, 'voc-fcn16s')
    state = coarse / 'snapshot' / 'train_iter_1.solverstate'
    line = refused('train', '--solver', fine / 'solver.prototxt', '--snapshot', state)
    assert f'{state}: holds' in line and 'history blobs' in line


def test_usage(scenes, make_run, tmp_path: Path, refused) -> None:
    assert '--gpu ID' in refused('train', '--solver', make_run(tmp_path / 'tf32', scenes) /
                                 'solver.prototxt', '--tf32', status=2)
    solver = make_run(tmp_path / 'r', scenes) / 'solver.prototxt'
    line = refused('train', '--solver', solver, '--weights', 'a', '--snapshot', 'b', status=2)
    assert 'not both' in line
    assert "'--solver'" in refused('train', status=2)
    assert "No such option '--wieghts'" in refused('train', '--wieghts', 'x', status=2)
    assert '0 is not in the range' in refused('train', '--solver', solver, '--iterations', 0,
                                              status=2)


def test_published_solver_beside_published_nets(scenes, tree: Path) -> None:
    """The committed prototxt of a net builds; its data is what is missing."""
    with pytest.raises(FileNotFoundError, match='train.txt: no such split file'):
        Net(tree / 'prototxt' / 'voc-fcn32s' / 'train.prototxt', TRAIN)


def test_a_log_is_not_written_into_another_file(trained: Path, scenes, make_run, tmp_path: Path,
                                                refused) -> None:
    run = make_run(tmp_path / 'r', scenes)
    (tmp_path / 'w.caffemodel').write_bytes((trained / 'trained.caffemodel').read_bytes())
    for path in (run / 'train.prototxt', run / 'solver.prototxt', tmp_path / 'w.caffemodel'):
        line = refused('train', '--solver', run / 'solver.prototxt', '--log', path)
        assert f'{path}: is there and holds no log' in line


def test_one_training_at_a_time(scenes, make_run, tmp_path: Path, start, spawn, fcn) -> None:
    """The second says so in a line, as does the old tool's; what is left of a killed one goes."""
    run = make_run(tmp_path / 'r', scenes, max_iter=STEPS)
    process = start('train', '--solver', run / 'solver.prototxt')
    next(line for line in process.stdout if 'Iteration 1 ' in line)
    for verb in (['train', '--solver'], ['caffe', 'train', '-solver']):
        done = spawn(*verb, run / 'solver.prototxt')
        assert done.returncode == 1 and f'by another process ({process.pid})' in done.stderr
    process.kill()
    process.communicate(timeout=60)
    (run / 'snapshot' / '.train_iter_9.part.caffemodel').write_bytes(b'half')
    assert fcn('train', '--solver', run / 'solver.prototxt', '--iterations', 1).exit_code == 0
    assert not [p for p in (run / 'snapshot').iterdir() if p.name.startswith('.')]
