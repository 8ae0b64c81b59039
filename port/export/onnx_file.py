"""Write a net as ONNX: free batch, height and width; weights above protobuf's 2 GB beside it."""

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from netspec.schema import replacing, special, workroom
from netspec.variants import Variant, find_variant
from netspec.variants.row import Input
from port.data.datasets import class_names
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.export.agreement import Agreement, compare, holds
from port.export.net_graph import build_graph
from port.onnx.graph_builder import Graph, OnnxNode, Shape

OPSET = 17                       # read by most runtimes; others on demand
OLDEST = 15                      # Shape takes a part of a shape, as our layers write it
# Their axes became an input in opset 18.
REDUCTIONS = ('ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceMax', 'ReduceMean',
              'ReduceMin', 'ReduceProd', 'ReduceSumSquare')
LIMIT = 2 ** 31 - 2 ** 24        # protobuf's 2 GB, with room for the nodes
ALIGNED = 4096                   # external tensors begin at pages, so that they can be mapped
SMALL = 1024                     # bytes; smaller constants stay in the .onnx file
SCORE, LABEL = 'score', 'label'

__all__ = ['Agreement', 'compare', 'export', 'holds', 'random_weights']


def export(net: Net, path: str | os.PathLike, variant: str | Variant | None = None,
           preprocess: bool = False, argmax: bool = False, external_above: int = LIMIT,
           opset: int = OPSET) -> Path:
    """Write a net in the TEST phase to `path`; return the path. Written whole or not at all.

    variant: the row whose name, class names, means and channel order go into the metadata.
    preprocess: inputs are RGB, uint8, N x H x W x 3; channel swap and mean are in the graph.
    argmax: outputs are labels, int64, N x H x W, instead of scores. external_above: weights of
    more bytes go to `path` + '.data'. opset: the version of ONNX's operators to write. Raises
    ValueError naming the layer that has no ONNX form, and an operator that the opset lacks.
    """
    row = None if variant is None else find_variant(variant)
    path = Path(path)
    _check_opset(opset)
    if not path.parent.is_dir():
        raise FileNotFoundError(f'{path}: the folder {path.parent} does not exist; make it first')
    g = Graph([*net.all_blobs, *net.inputs])
    images = {image.top: image for image in row.inputs} if row else {}
    inputs = _preprocessed(g, net, images) if preprocess else {}
    build_graph(net, inputs, g)
    if argmax:
        _end_in_labels(g)
    _speak(g, opset)
    model = _model(g, net, inputs, TensorProto.INT64 if argmax else TensorProto.FLOAT, opset)
    helper.set_model_props(model, _metadata(net, row, images, g.outputs, preprocess, argmax))
    _write(model, g, path, external_above)
    return path


# -- what comes before and after the net -----------------------------------------------------------

def _preprocessed(g: Graph, net: Net, images: dict[str, Input]) -> dict[str, str]:
    """Add what makes each input blob of a picture; return the value of each blob."""
    missing = [name for name in net.inputs if name not in images]
    if missing:
        raise ValueError(f'input {missing[0]!r} has no known mean: preprocessing is for the '
                         f'inputs of a variant ({", ".join(images) or "none given"})')
    values = {}
    for name in net.inputs:
        image, g.layer = images[name], f'{name}/preprocess'
        x = g.add('Log', name) if image.kind == 'depth' else g.cast(name, np.float32)
        x = g.add('Transpose', x, perm=[0, 3, 1, 2])
        if image.kind == 'color':
            x = g.add('Gather', x, g.ints(2, 1, 0), axis=1)
        mean = np.reshape(image.mean, (-1, 1, 1))
        values[name] = g.add('Sub', x, g.const(mean, name='mean'))
    return values


def _end_in_labels(g: Graph) -> None:
    """End each output of 4 axes in labels: score becomes label, score_sem label_sem."""
    for blob, value in g.outputs.items():
        shape = g.shape(value)
        if len(shape) != 4:
            raise ValueError(f'output {blob!r} has shape {list(shape)}; labels are for scores of '
                             '4 axes: num, classes, height, width')
        stem = blob.removeprefix(SCORE) if blob.startswith(SCORE) else f'_{blob}'
        g.layer = g.unique(LABEL + stem)
        g.outputs[blob] = g.add('ArgMax', value, axis=1, keepdims=0, out=g.layer)
        g.shapes[g.layer] = (shape[0], *shape[2:])


def _metadata(net: Net, row: Variant | None, images: dict[str, Input], outputs: dict[str, str],
              preprocess: bool, argmax: bool) -> dict[str, str]:
    """Return the metadata: plain text, or JSON by input or output name where there are several."""
    given = {'net': net.param_name, 'preprocess': json.dumps(preprocess),
             'argmax': json.dumps(argmax)}
    if row is None:
        return given
    names = {}
    for head in row.heads:
        found, output = class_names(head), SCORE + head.suffix
        if output in outputs and net.blobs[output].shape[1] == len(found):
            names[outputs[output]] = list(found)
    return given | {'variant': row.name, 'class_names': json.dumps(names),
                    'mean': json.dumps({name: list(i.mean) for name, i in images.items()}),
                    'channel_order': json.dumps({n: ORDER[i.kind] for n, i in images.items()})}


ORDER = {'color': 'BGR', 'hha': 'HHA', 'depth': 'log depth'}


# -- the model -------------------------------------------------------------------------------------

def _check_opset(opset: int) -> None:
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST <= opset <= newest:
        raise ValueError(f'opset {opset}: expected {OLDEST} to {newest}, the newest that onnx '
                         f'{onnx.__version__} knows')


def _speak(g: Graph, opset: int) -> None:
    """Bring the nodes, which are written for our own opset, into the form of another."""
    for op in g.ops:
        if opset >= 18 and op.kind in REDUCTIONS and 'axes' in op.attributes:
            op.inputs.append(g.ints(*op.attributes.pop('axes')))
        try:
            known = onnx.defs.get_schema(op.kind, opset, '').attributes
        except onnx.defs.SchemaError:
            known = None
        lacking = 'the operator' if known is None else next(
            (f'{name!r} of' for name in op.attributes if name not in known), '')
        if lacking:
            raise ValueError(f'layer {op.name!r}: opset {opset} has not {lacking} {op.kind}; '
                             f'take {OPSET}')


def _model(g: Graph, net: Net, inputs: dict[str, str], kind: int, opset: int) -> onnx.ModelProto:
    declared = [_input(g, name, inputs) for name in net.inputs]
    results = [_value(value, kind, g.shape(value)) for value in g.outputs.values()]
    graph = helper.make_graph([_node(op) for op in g.ops], net.param_name or 'net', declared,
                              results)
    wanted = helper.make_opsetid('', opset)
    return helper.make_model(graph, opset_imports=[wanted], producer_name='fcn-caffe',
                             ir_version=helper.find_min_ir_version_for([wanted]))


def _value(name: str, kind: int, shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, list(shape))


def _input(g: Graph, name: str, inputs: dict[str, str]) -> onnx.ValueInfoProto:
    if name not in inputs:
        return _value(name, TensorProto.FLOAT, g.shape(name))
    batch, channels, height, width = g.shape(inputs[name])
    kind = TensorProto.FLOAT if _reads_depth(g, name) else TensorProto.UINT8
    return _value(name, kind, (batch, height, width, channels))


def _reads_depth(g: Graph, name: str) -> bool:
    return any(op.kind == 'Log' and op.inputs == [name] for op in g.ops)


def _node(op: OnnxNode) -> onnx.NodeProto:
    return helper.make_node(op.kind, op.inputs, op.outputs, name=op.name, **op.attributes)


# -- onto the disk ---------------------------------------------------------------------------------

def _write(model: onnx.ModelProto, g: Graph, path: Path, external_above: int) -> None:
    """Write and check the model in a folder beside its place, then move it there.

    Through a link: to where it leads. ValueError for data outside the file of a device or a pipe.
    """
    device = special(path)
    path = path if device else Path(os.path.realpath(path))
    outside = sum(a.nbytes for a in g.constants.values()) > external_above
    if device and outside:
        raise ValueError(f'{path}: is no file, and weights of this size need a second one beside '
                         'it; name a file')
    data = path.name + '.data' if outside else None
    model.graph.initializer.extend(_tensors(g.constants, data))
    with workroom(path) as folder:
        beside = folder / path.name
        if data:
            _write_data(folder / data, g.constants)
        beside.write_bytes(model.SerializeToString())
        onnx.checker.check_model(str(beside), full_check=True)
        stale = not data and path.is_file()
        if data:
            os.replace(folder / data, path.with_name(data))
        with replacing(path) as made:
            shutil.move(beside, made)
        if stale:                # the data of the file that stood there
            path.with_name(path.name + '.data').unlink(missing_ok=True)


def _large(constants: dict[str, np.ndarray]) -> Iterable[tuple[str, np.ndarray, int]]:
    """Yield each constant for the external file and where it begins there."""
    at = 0
    for name, array in constants.items():
        if array.nbytes >= SMALL:
            yield name, array, at
            at += -(-array.nbytes // ALIGNED) * ALIGNED


def _tensors(constants: dict[str, np.ndarray], data: str | None) -> list[TensorProto]:
    """Return the constants; with the name of a data file, the large ones lie in that."""
    places = {name: at for name, _, at in _large(constants)}
    return [_outside(array, name, data, places[name]) if data and name in places
            else numpy_helper.from_array(array, name) for name, array in constants.items()]


def _outside(array: np.ndarray, name: str, data: str, at: int) -> TensorProto:
    tensor = TensorProto(name=name, dims=array.shape, data_location=TensorProto.EXTERNAL,
                         data_type=helper.np_dtype_to_tensor_dtype(array.dtype))
    for key, value in (('location', data), ('offset', at), ('length', array.nbytes)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def _write_data(path: Path, constants: dict[str, np.ndarray]) -> None:
    with path.open('wb') as file:
        for _, array, at in _large(constants):
            file.seek(at)
            file.write(array.reshape(-1).view(np.uint8).data)
