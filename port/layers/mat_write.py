"""MatWrite: bottoms as MATLAB files (DeepLab's mat_write_layer.cpp)."""

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.net_policy import POLICY
from port.engine.registry import layer
from port.layers.bases.mat_blobs import file_names, write_mat


@layer('MatWrite')
class MatWrite(Layer):
    """Pass k writes bottom i to `prefix` + name + `_blob_i.mat`, as the variable `data`.

    name: line k of `source` less its last `strip` characters; without a source `iter_k`. Only
    every `period`-th pass writes. MATLAB sees width x height x channels x num. The list is read
    when the first file is written, so that a net can be looked at without its data.
    """

    def allow_force_backward(self, index: int) -> bool:
        return False

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.passes = 0
        self.names: list[str] = []
        period = self.param.mat_write_param.period
        if period < 1:
            raise ValueError(f'period is {period}; expected 1 or more')

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        for blob in bottom:
            if len(blob.shape) > 4:
                raise ValueError(f'bottom {blob.name!r} {list(blob.shape)} has more than 4 axes')

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        given = self.param.mat_write_param
        if self.passes % given.period == 0:
            stem = given.prefix + self._name(self.passes)
            POLICY.check_file(f'{stem}_blob_0.mat')
            for i, blob in enumerate(bottom):
                write_mat(f'{stem}_blob_{i}.mat', blob.data.cpu().numpy())
        self.passes += 1

    def _name(self, number: int) -> str:
        given = self.param.mat_write_param
        if not given.source:
            return f'iter_{number}'
        self.names = self.names or file_names(given.source, given.strip)
        if number >= len(self.names):
            raise ValueError(f'{given.source} names {len(self.names)} file(s), and this is pass '
                             f'{number + 1}; expected a name for each pass')
        return self.names[number]
