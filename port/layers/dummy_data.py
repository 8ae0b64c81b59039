"""DummyData: tops filled by fillers, constant ones once, others before every pass (Caffe's
DummyDataLayer).
"""

from netspec.schema.messages import FillerParameter
from port.engine.blob import Blob
from port.engine.fillers import fill
from port.engine.layer import Layer
from port.engine.registry import layer


@layer('DummyData')
class DummyData(Layer):
    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        fillers = list(self.param.dummy_data_param.data_filler) or [FillerParameter()]
        if len(fillers) not in (1, len(top)):
            raise ValueError(f'dummy_data_param has {len(fillers)} data_filler for {len(top)} '
                             'top(s); expected none, one for all, or one for each top')
        self.fillers = fillers * len(top) if len(fillers) == 1 else fillers
        self.shape_tops([], top)
        self._fill(top, constant=True)

    def _fill(self, top: list[Blob], constant: bool) -> None:
        for blob, filler in zip(top, self.fillers, strict=True):
            if (filler.type == 'constant') == constant:
                blob.data = fill(filler, blob.shape).to(self.device, self.dtype)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        self._fill(top, constant=False)

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        """There is nothing below."""
