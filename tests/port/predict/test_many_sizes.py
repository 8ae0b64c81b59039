"""One predictor over images of many sizes, without growth; several predictors; many threads."""

import gc
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from netspec.families import make_net
from netspec.schema.messages import TEST
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.fast import inference
from port.fast.upsampling import Upsampling
from port.predict.predictor import NetPredictor

LARGEST, SMALLEST = 90, 20
FEW = 4                          # sizes whose blank values are kept, in place of many
GROWTH = 16.0                    # MB, from the 200th size to the 2,000th; measured: see below
# What torch keeps of the kernels that oneDNN made for shapes, a thousand of them, is none of ours.
KEPT_BY_TORCH = {'ONEDNN_PRIMITIVE_CACHE_CAPACITY': '16', 'LRU_CACHE_CAPACITY': '16'}
NETS = ('voc-fcn8s', 'camvid-fcn4s-squeezenet')


def net_of(name: str, width: float = 0.06) -> Net:
    net = Net(make_net(name, 'deploy', width=width), TEST)
    random_weights(net, 1)
    return net


def image(height: int, width: int) -> torch.Tensor:
    return 50 * torch.randn(1, 3, height, width,
                            generator=torch.Generator().manual_seed(height * 1000 + width))


def sizes(count: int, seed: int, largest: int = LARGEST) -> list[tuple[int, int]]:
    draw = random.Random(seed).randint
    return [(draw(SMALLEST, largest), draw(SMALLEST, largest)) for _ in range(count)]


def memory_of(tensors: Iterable[object]) -> int:
    """The bytes that tensors lie in, each memory once."""
    found = {}
    for one in tensors:
        if type(one) is torch.Tensor and one.layout == torch.strided and one.device.type == 'cpu':
            store = one.untyped_storage()
            found[store.data_ptr()] = store.nbytes()
    return sum(found.values())


@pytest.mark.parametrize('name', NETS)
def test_thirty_sizes_take_no_more_memory_than_the_two_largest(name: str, monkeypatch) -> None:
    """And the blank values and upsampling's matrices of as many sizes as are kept."""
    monkeypatch.setattr(inference, 'KEPT_BLANKS', FEW)
    predict, most = NetPredictor(net_of(name)), 0
    for size in ((LARGEST, LARGEST), (LARGEST, LARGEST - 1)):
        predict(image(*size))
    gc.collect()
    before = memory_of(gc.get_objects())
    blanks = 0
    for i, size in enumerate(sizes(30, seed=1)):
        predict(image(*size))
        kept = [memory_of(values.values()) for values in predict.fast._blanks.values()]
        assert len(kept) <= FEW
        blanks = max([blanks, *kept])
        if i % 6 == 5:                               # looking takes longer than computing
            most = max(most, memory_of(gc.get_objects()))
    matrices = memory_of(matrix for operator in predict.fast.operators.values()
                         if isinstance(operator, Upsampling)
                         for matrix in operator._matrices.values())
    assert most <= before + FEW * blanks + matrices
    assert (blanks > 0) == name.startswith('voc')


def test_blank_values_are_those_of_the_size_whenever_it_comes_again(monkeypatch) -> None:
    monkeypatch.setattr(inference, 'KEPT_BLANKS', FEW)
    net = net_of('voc-fcn8s')
    predict, wanted = NetPredictor(net), {}
    for size in (drawn := sizes(10, seed=2)):
        wanted[size] = predict(image(*size))
    for size in random.Random(3).sample(drawn, 10):
        assert torch.equal(predict(image(*size)), wanted[size])
        assert torch.equal(NetPredictor(net)(image(*size)), wanted[size])


def work() -> None:
    """2,000 sizes; print how many MB the process held after 200, and after all."""
    predict = NetPredictor(net_of('voc-fcn8s', 0.125))
    held = []
    for i, size in enumerate([(128, 128), (128, 127), *sizes(1998, seed=4, largest=128)], 1):
        predict(image(*size))
        if i in (200, 2000):
            with open('/proc/self/status') as status:
                line = next(line for line in status if line.startswith('VmRSS'))
            held.append(int(line.split()[1]) / 1024)
    print(*held)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc')
def test_two_thousand_sizes_take_no_more_memory_than_two_hundred() -> None:
    done = subprocess.run([sys.executable, __file__], check=True, text=True, capture_output=True,
                          env=os.environ | KEPT_BY_TORCH)
    early, late = map(float, done.stdout.split())
    assert late - early <= GROWTH, f'{early:.0f} MB after 200 sizes, {late:.0f} after 2,000'


# -- at the same time ------------------------------------------------------------------------------

def at_once(calls: list[Callable[[], torch.Tensor]]) -> list[torch.Tensor]:
    ready = threading.Barrier(len(calls))

    def run(call: Callable[[], torch.Tensor]) -> torch.Tensor:
        ready.wait()
        return call()
    with ThreadPoolExecutor(len(calls)) as pool:
        return [*pool.map(run, calls)]


def test_many_threads_bring_one_predictor_images_of_many_sizes(impatient) -> None:
    net, drawn = net_of('voc-fcn8s'), sizes(12, seed=5)
    wanted = [NetPredictor(net)(image(*size)) for size in drawn]
    predict = NetPredictor(net)
    for _ in range(2):
        found = at_once([lambda size=size: predict(image(*size)) for size in drawn])
        assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize('shared', [True, False], ids=['one net', 'nets of their own'])
def test_threads_have_predictors_of_their_own(impatient, shared: bool) -> None:
    nets = [net_of('voc-fcn8s')] * 4 if shared else [net_of(name) for name in NETS * 2]
    drawn = sizes(4, seed=6)
    wanted = [NetPredictor(net)(image(*size)) for net, size in zip(nets, drawn, strict=True)]
    predicts = [NetPredictor(net) for net in nets]
    for _ in range(3):
        found = at_once([lambda p=p, size=size: p(image(*size))
                         for p, size in zip(predicts, drawn, strict=True)])
        assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_several_predictors_of_a_net_in_turn_keep_apart() -> None:
    """Each with its own precision and output; a change of the weights reaches all."""
    net, x = net_of('voc-fcn8s'), image(50, 40)
    wide, narrow = NetPredictor(net), NetPredictor(net, torch.bfloat16)
    coarse = NetPredictor(net, layer='score_fr')
    first = [one(x) for one in (wide, narrow, coarse)]
    assert all(torch.equal(one(x), y) for one, y in zip((wide, narrow, coarse), first, strict=True))
    assert not torch.equal(first[0], first[1]) and first[2].shape != first[0].shape
    net.params['conv1_1'][0].data.mul_(1.1)
    assert not any(torch.equal(one(x), y) for one, y in zip((wide, narrow, coarse), first,
                                                              strict=True))


if __name__ == '__main__':
    work()
