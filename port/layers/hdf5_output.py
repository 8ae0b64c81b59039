"""HDF5Output: write two blobs to a file (src/caffe/layers/hdf5_output_layer.cpp)."""

from pathlib import Path

import numpy as np

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.net_policy import POLICY
from port.engine.registry import layer
from surgery.hdf5_files import changed_hdf5, new_hdf5


@layer('HDF5Output')
class HDF5Output(Layer):
    """Bottoms become the datasets `data` and `label` of hdf5_output_param.file_name, with four
    axes. The first pass replaces the file; where Caffe fails at the second, its rows are appended.
    """

    def allow_force_backward(self, index: int) -> bool:
        return False

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.path, self.begun = self.param.hdf5_output_param.file_name, False
        if not self.path:
            raise ValueError('hdf5_output_param lacks `file_name`, the file to write')
        POLICY.check_file(self.path)
        if not Path(self.path).absolute().parent.is_dir():
            raise FileNotFoundError(f'{self.path}: the folder {Path(self.path).parent} does not '
                                    'exist; make it first')

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        data, label = bottom
        if data.shape[:1] != label.shape[:1]:
            raise ValueError(f'{data.name!r} {list(data.shape)} and {label.name!r} '
                             f'{list(label.shape)} must have the same batch size')
        for blob in bottom:
            if len(blob.shape) > 4:
                raise ValueError(f'{blob.name!r} has shape {list(blob.shape)}; expected at most '
                                 '4 axes')

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        arrays = {name: blob.data.cpu().numpy().reshape(blob.shape + (1,) * (4 - len(blob.shape)))
                  for name, blob in zip(('data', 'label'), bottom, strict=True)}
        if self.begun:
            append(self.path, arrays)
        else:
            create(self.path, arrays)
        self.begun = True


def create(path: str, arrays: dict[str, np.ndarray]) -> None:
    """Write datasets that can grow along their first axis; the file appears whole."""
    with new_hdf5(path) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, maxshape=(None, *array.shape[1:]))


def append(path: str, arrays: dict[str, np.ndarray]) -> None:
    """Add rows; ValueError where they have another shape than those in the file."""
    with changed_hdf5(path) as file:
        for name, array in arrays.items():
            have = file[name].shape
            if have[1:] != array.shape[1:]:
                raise ValueError(f'{path}: the rows of {name!r} have shape {list(have[1:])}; '
                                 f'cannot append {list(array.shape[1:])}')
        for name, array in arrays.items():
            rows = len(file[name])
            file[name].resize(rows + len(array), 0)
            file[name][rows:] = array
