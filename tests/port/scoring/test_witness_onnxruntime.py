"""Two witnesses without us: what OpenCV makes of prototxt and caffemodel, ONNX Runtime makes of
the exported file. Our own numbers are no part of the comparison; tests of export hold those.
"""

from pathlib import Path

import numpy as np
import pytest

from netspec.families.fcn import fcn
from netspec.schema import print_net
from netspec.schema.messages import TEST
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.export.onnx_file import export

cv2 = pytest.importorskip('cv2', reason='OpenCV is a test dependency: opencv-python-headless<5')
onnxruntime = pytest.importorskip('onnxruntime')

WIDTH = 1 / 32
SIZES = ((48, 80), (51, 37))
TOLERANCE = 3e-5    # float32 sums in another order, of the largest score
# Each brings something that the others lack: fusion, Scale, LRN and groups, two heads, two trunks.
ROWS = ('voc-fcn8s', 'voc-fcn8s-atonce', 'voc-fcn-alexnet', 'siftflow-fcn16s',
        'nyud-fcn32s-color-hha')


@pytest.mark.parametrize('name', ROWS)
def test_opencv_and_onnx_runtime_agree(name: str, tmp_path: Path) -> None:
    model, weights = tmp_path / 'deploy.prototxt', tmp_path / 'w.caffemodel'
    model.write_text(print_net(fcn(name, 'deploy', width=WIDTH)))
    net = Net(model, TEST)
    random_weights(net, 6)
    net.save(weights)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(export(net, tmp_path / 'm.onnx')), options,
                                           providers=['CPUExecutionProvider'])
    importer = cv2.dnn.readNetFromCaffe(str(model), str(weights))
    importer.enableWinograd(False)
    rng = np.random.RandomState(8)
    for size in SIZES:
        given = {i.name: rng.uniform(-120, 130, (1, i.shape[1], *size)).astype(np.float32)
                 for i in session.get_inputs()}
        for blob, array in given.items():
            importer.setInput(array, blob)
        names = [o.name for o in session.get_outputs()]
        for blob, one in zip(names, session.run(None, given), strict=True):
            other = importer.forward(blob)
            assert one.shape == other.shape and np.abs(one).max() > 0
            assert np.abs(one - other).max() <= TOLERANCE * np.abs(one).max()
