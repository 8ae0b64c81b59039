"""Ways to run a model on a picture: our executor, ONNX Runtime, OpenCV's Caffe importer."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netspec.named_net import Classes, find_net
from netspec.schema import read_net
from netspec.schema.messages import TEST, NetParameter
from netspec.variants import Variant
from port.data.datasets import class_names, palette
from port.data.readers import planes
from port.engine.net import Net
from port.engine.starting_weights import load

FORM = ('expected NET:WEIGHTS, opencv:FILE.prototxt:FILE.caffemodel or FILE.onnx; NET is a '
        'published name, a folder or a prototxt')
SCORE, LABEL = 'score', 'label'
Run = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Executor:
    """A model that can be run.

    run(rgb, data): from a picture, H x W x 3 uint8, and its planes, 1 x 3 x H x W less the mean,
    to scores, classes x H x W, or labels, H x W. mean: BGR, names of the classes and their colours,
    where known.
    """

    label: str
    run: Run
    mean: tuple[float, ...] | None = None
    names: tuple[str, ...] = ()
    palette: np.ndarray | None = None


def open_executor(spec: str, width: float | None = None,
                  classes: Classes = None,
                  output: str | None = None) -> Executor:
    """Open what a specification names; ValueError for another form.

    NET:WEIGHTS is ours, and NET alone where it is a folder in which a net was trained
    (netspec.named_net says what NET may be); opencv:FILE.prototxt:FILE.caffemodel is OpenCV's,
    FILE.onnx ONNX Runtime's. width, classes: of a NET that is no prototxt. output: which one to
    take, for a model of several.
    """
    if spec.startswith('opencv:'):
        return _opencv(spec, *_two(spec, spec.removeprefix('opencv:')), output)
    if spec.endswith('.onnx'):
        return _onnx(spec, output)
    model, _, weights = spec.partition(':')
    if not model:
        raise ValueError(f'{spec!r} is no model; {FORM}')
    named = find_net(model)
    weights = weights or str(named.trained() or '')
    if not weights:
        raise ValueError(f'{spec!r} names no weights; {FORM}')
    return _ours(spec, named.deploy(width, classes), weights, named.row, output)


def is_named(spec: str) -> bool:
    """Tell whether a specification names a net that is made to measure, and no file."""
    return not (spec.startswith('opencv:') or spec.endswith('.onnx')
                or find_net(spec.partition(':')[0]).row is None)


def _two(spec: str, rest: str) -> tuple[str, str]:
    model, _, weights = rest.partition(':')
    if not model or not weights:
        raise ValueError(f'{spec!r} is no model; {FORM}')
    return model, weights


def _ours(label: str, source: NetParameter | Path, weights: str, row: Variant | None,
          output: str | None) -> Executor:
    net = Net(source, TEST)
    _one_picture(label, net.inputs)
    load(net, weights)
    name = choose(label, net.outputs, output)

    def run(rgb: np.ndarray, data: np.ndarray) -> np.ndarray:
        net.forward(**{net.inputs[0]: data})
        return net.blobs[name].data[0].cpu().numpy().copy()
    heads = {SCORE + head.suffix: head for head in row.heads} if row else {}
    head = heads.get(name)
    names = class_names(head) if head else ()
    return Executor(label, run, row.mean if row else None,
                    names if len(names) == net.blobs[name].shape[1] else (),
                    palette(head) if head else None)


def choose(label: str, outputs: Sequence[str], wanted: str | None) -> str:
    """Return the output asked for; else the semantic score (or label), or the first output."""
    if wanted is None:
        main = [kind + suffix for suffix in ('', '_sem') for kind in (SCORE, LABEL)]
        return next((name for name in (*main, *outputs) if name in outputs), '')
    names = (wanted, wanted.replace(SCORE, LABEL, 1))   # an .onnx that ends in labels
    for name in names:
        if name in outputs:
            return name
    raise ValueError(f'{label}: has no output {wanted!r}; its outputs are {", ".join(outputs)}')


def _one_picture(label: str, inputs: Sequence[str]) -> None:
    if len(inputs) != 1:
        raise ValueError(f'{label}: takes {len(inputs)} inputs ({", ".join(inputs)}); pictures '
                         'can be given to models of one image input only')


def _onnx(path: str, output: str | None) -> Executor:
    import onnxruntime

    from netspec.schema.files import existing
    existing(path, 'model')
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
    except Exception as error:
        raise ValueError(f'{path}: ONNX Runtime does not load it: {error}') from None
    inputs = [i.name for i in session.get_inputs()]
    _one_picture(path, inputs)
    given = session.get_modelmeta().custom_metadata_map
    inside = json.loads(given.get('preprocess', 'false'))
    means, names = (json.loads(given.get(key, '{}')) for key in ('mean', 'class_names'))
    output = choose(path, [o.name for o in session.get_outputs()], output)

    def run(rgb: np.ndarray, data: np.ndarray) -> np.ndarray:
        return session.run([output], {inputs[0]: rgb[None] if inside else data})[0][0]
    mean = means.get(inputs[0])
    return Executor(path, run, tuple(mean) if mean else None, tuple(names.get(output, ())))


def _opencv(spec: str, model: str, weights: str, output: str | None) -> Executor:
    try:
        import cv2
    except ImportError:
        raise ValueError(f'{spec}: OpenCV is not installed: pip install '
                         '"opencv-python-headless<5"') from None
    param = read_net(model)
    inputs = [top for layer in param.layer if layer.type == 'Input' for top in layer.top]
    _one_picture(spec, inputs or list(param.input))
    try:
        net = cv2.dnn.readNetFromCaffe(model, weights)
    except cv2.error as error:
        raise ValueError(f'{spec}: OpenCV does not load it: {error.err}') from None

    layer = choose(spec, list(net.getUnconnectedOutLayersNames()), output)

    def run(rgb: np.ndarray, data: np.ndarray) -> np.ndarray:
        net.setInput(data)
        return net.forward(layer)[0].copy()
    return Executor(spec, run)


def mean_of(executors: Sequence[Executor], given: tuple[float, ...] | None) -> np.ndarray:
    """Return the mean to subtract: the one given, or that which the models know.

    Raises ValueError where none is known, or two differ.
    """
    known = {e.mean: e.label for e in executors if e.mean} if given is None else {given: ''}
    if not known:
        raise ValueError('no model says which mean to subtract; give --mean B,G,R or --mean NAME '
                         '(see `fcn list`)')
    if len(known) > 1:
        text = '; '.join(f'{label}: {", ".join(f"{v:g}" for v in mean)}'
                         for mean, label in known.items())
        raise ValueError(f'the models subtract different means ({text}); give --mean B,G,R')
    return np.asarray(next(iter(known)), np.float64)


def planes_of(rgb: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return the planes of a picture, 1 x 3 x H x W: BGR less the mean."""
    return planes(np.ascontiguousarray(rgb[:, :, ::-1]), mean)[None]
