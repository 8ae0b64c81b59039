"""Runs Caffe nets on PyTorch: the executor, its layers, the solver, data, scores and exports."""


def __getattr__(name: str):
    """Let `port.predictor` be found without importing torch before it is asked for."""
    if name == 'predictor':
        from port.predict import predictor
        return predictor
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
