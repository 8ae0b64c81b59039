"""DummyData: tops filled by fillers, constant ones once, others before every pass (Caffe's
DummyDataLayer).
"""

from collections.abc import Sequence
from typing import Any

from netspec.schema.messages import FillerParameter
from port.engine.blob import Blob
from port.engine.fillers import fill
from port.engine.layer import Layer
from port.engine.registry import layer

LEGACY = ('num', 'channels', 'height', 'width')


@layer('DummyData')
class DummyData(Layer):
    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        fillers = list(self.param.dummy_data_param.data_filler) or [FillerParameter()]
        if len(fillers) not in (1, len(top)):
            raise ValueError(f'dummy_data_param has {len(fillers)} data_filler for {len(top)} '
                             'top(s); expected none, one for all, or one for each top')
        self.fillers = fillers * len(top) if len(fillers) == 1 else fillers
        for blob, shape in zip(top, self._shapes(len(top)), strict=True):
            blob.reshape(*shape)
        self._fill(top, constant=True)

    def _shapes(self, tops: int) -> list[tuple[int, ...]]:
        param = self.param.dummy_data_param
        if not any(len(getattr(param, field)) for field in LEGACY):
            return [tuple(s.dim) for s in self._one_each('shape', param.shape, tops)]
        if param.shape:
            raise ValueError('dummy_data_param gives both shape and the old num, channels, '
                             'height, width; expected one of them')
        sizes = [self._one_each(field, getattr(param, field), tops) for field in LEGACY]
        return list(zip(*sizes, strict=True))

    @staticmethod
    def _one_each(field: str, given: Sequence[Any], tops: int) -> list:
        if len(given) not in (1, tops):
            raise ValueError(f'dummy_data_param gives {field} {len(given)} time(s) for {tops} '
                             'top(s); expected once for all, or once for each top')
        return list(given) * (tops if len(given) == 1 else 1)

    def _fill(self, top: list[Blob], constant: bool) -> None:
        for blob, filler in zip(top, self.fillers, strict=True):
            if (filler.type == 'constant') == constant:
                blob.data = fill(filler, blob.shape).to(self.device, self.dtype)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        self._fill(top, constant=False)

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        """There is nothing below."""
