"""Labels of a net with a data layer, each image looked at several times by its deploy net."""

import numpy as np
import torch

from netspec.variants import Variant
from port.crf.crf_weights import CrfWeights
from port.engine.net import Net
from port.predict.predictor import NetPredictor
from port.predict.views import Views
from port.scoring.crf_labels import CrfOfData, crf_labels, probable
from port.scoring.metrics import largest


class ViewsOfData:
    """A callable from the name of a score blob to the labels of the net's last pass, H x W.

    net: with its data layer. deploy: the same net without, with the same weights. crf: refines
    what the views give.
    """

    def __init__(self, net: Net, deploy: Net, views: Views, crf: CrfWeights | None = None,
                 row: Variant | None = None) -> None:
        lacking = [name for name in deploy.inputs if name not in net.blobs]
        if lacking:
            raise ValueError(f'the deploy net takes {", ".join(lacking)}, which no data layer of '
                             'the net to score gives: --scales and --flip need both alike')
        self.net, self.deploy, self.views, self.row = net, deploy, views, row
        self.crf = CrfOfData(net, crf) if crf else None
        self.predictors: dict[str, NetPredictor] = {}

    def __call__(self, blob: str) -> np.ndarray:
        """Return the labels of the last pass by the scores of a blob, H x W."""
        scores = self.scores(blob)
        labels = largest(scores)
        if self.crf is not None and self.crf.crf is not None:
            rgb = self.crf.picture()
            real = scores[:, :rgb.shape[0], :rgb.shape[1]].cpu().numpy()
            labels[:rgb.shape[0], :rgb.shape[1]] = crf_labels(self.deploy, blob, real, rgb,
                                                              self.crf.crf)
        return labels

    def scores(self, blob: str) -> torch.Tensor:
        """Return the scores of the last pass, classes x H x W, over all views."""
        if blob not in self.predictors:
            self.predictors[blob] = NetPredictor(self.deploy, layer=blob, row=self.row)
        arrays = {name: self.net.blobs[name].data for name in self.deploy.inputs}
        run = self.predictors[blob].run
        return self.views.scores(lambda seen: run(dict(seen)), arrays,
                                 probable(self.deploy, blob))[0]
