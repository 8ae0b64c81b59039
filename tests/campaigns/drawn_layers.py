"""Layers in Python for the referee's nets (drawn_data.py), as users write them: `import caffe`."""

import caffe
import numpy as np


class Drawn(caffe.Layer):
    """param_str: a factor, and a shape."""

    def setup(self, bottom, top) -> None:
        factor, dims = self.param_str.split()
        self.factor, self.dims = float(factor), [int(n) for n in dims.split(',')]

    def reshape(self, bottom, top) -> None:
        for blob in top:
            blob.reshape(*bottom[0].data.shape)


class Scaled(Drawn):
    """factor x^2, in TEST its half."""

    def forward(self, bottom, top) -> None:
        self.used = self.factor / (1 + self.phase)
        top[0].data[...] = self.used * bottom[0].data ** 2

    def backward(self, top, propagate_down, bottom) -> None:
        if propagate_down[0]:
            bottom[0].diff[...] = 2 * self.used * bottom[0].data * top[0].diff


class Joined(Drawn):
    """a b + factor."""

    def forward(self, bottom, top) -> None:
        top[0].data[...] = bottom[0].data * bottom[1].data + self.factor

    def backward(self, top, propagate_down, bottom) -> None:
        for i in range(2):
            if propagate_down[i]:
                bottom[i].diff[...] = top[0].diff * bottom[1 - i].data


class Halves(Drawn):
    """The positive part and the negative."""

    def forward(self, bottom, top) -> None:
        top[0].data[...] = np.maximum(bottom[0].data, 0)
        top[1].data[...] = np.minimum(bottom[0].data, 0)

    def backward(self, top, propagate_down, bottom) -> None:
        over = bottom[0].data > 0
        bottom[0].diff[...] = over * top[0].diff + ~over * top[1].diff


class Learnt(Drawn):
    """A product with a parameter for each value of an item."""

    def setup(self, bottom, top) -> None:
        super().setup(bottom, top)
        self.blobs.add_blob(*bottom[0].data.shape[1:])
        self.blobs[0].data[...] = self.factor

    def forward(self, bottom, top) -> None:
        top[0].data[...] = bottom[0].data * self.blobs[0].data

    def backward(self, top, propagate_down, bottom) -> None:
        self.blobs[0].diff[...] += (bottom[0].data * top[0].diff).sum(0)
        bottom[0].diff[...] = top[0].diff * self.blobs[0].data


class Counter(Drawn):
    """A source: the number of the pass times the factor."""

    def setup(self, bottom, top) -> None:
        super().setup(bottom, top)
        self.passes = 0

    def reshape(self, bottom, top) -> None:
        top[0].reshape(*self.dims)

    def forward(self, bottom, top) -> None:
        self.passes += 1
        top[0].data[...] = self.passes * self.factor

    def backward(self, top, propagate_down, bottom) -> None:
        pass


class Loss(Drawn):
    """The mean of a b / 2."""

    def reshape(self, bottom, top) -> None:
        top[0].reshape(1)

    def forward(self, bottom, top) -> None:
        top[0].data[...] = (bottom[0].data * bottom[1].data).mean() / 2

    def backward(self, top, propagate_down, bottom) -> None:
        for i in range(2):
            if propagate_down[i]:
                bottom[i].diff[...] = top[0].diff[0] * bottom[1 - i].data / bottom[0].count / 2
