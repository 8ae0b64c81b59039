"""A score layer of few classes into one of more, for staged training on a larger label set."""

from .net_arrays import Net, array, arrays


def expand_score(new_net: Net, new_layer: str, net: Net, layer: str) -> None:
    """Copy an old score layer of k' classes into the first k' of a new one's k >= k' classes.

    Weights are (k, C, h, w), or (k, C) for InnerProduct; biases (k,) or the old (1, 1, 1, k).
    The further classes stay as they are. Raises ValueError, naming both layers and shapes, where
    the new layer has fewer classes or the kernels differ; then nothing has been copied.
    """
    moves = []
    for i in range(min(len(arrays(net, layer)), len(arrays(new_net, new_layer)))):
        source, target = array(net, layer, i), array(new_net, new_layer, i)
        flat = [blob.reshape(-1, 1) if i else blob.reshape(blob.shape[0], -1)
                for blob in (source, target)]
        classes = len(flat[0])
        if classes > len(flat[1]) or flat[0].shape[1] != flat[1].shape[1]:
            raise ValueError(f'expand_score: layer {layer!r} blob {i} {source.shape} does not fit '
                             f'into the first classes of {new_layer!r} {target.shape}')
        moves.append((flat[1][:classes], flat[0]))
    for target, source in moves:
        target[...] = source
