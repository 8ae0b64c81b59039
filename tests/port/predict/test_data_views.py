"""Several views of what a data layer gives: by hand on the same numbers."""

import numpy as np
import pytest

from netspec.families.fcn import fcn
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from port.crf.crf_weights import CrfWeights
from port.data.scenes import draw_dataset
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.predict.data_views import ViewsOfData
from port.predict.predictor import predictor
from port.predict.views import Views
from port.scoring.crf_labels import crf_labels
from port.scoring.evaluate import evaluate

ROW, WIDTH = VARIANTS['voc-fcn32s'], 0.03125
CRF = CrfWeights(3, 3, 4, 20, 10)


@pytest.fixture(scope='module')
def nets(tmp_path_factory) -> tuple[Net, Net]:
    root = draw_dataset(tmp_path_factory.mktemp('d'), 1, 2, (40, 56)) / 'pascal/VOC2011'
    net = Net(fcn(ROW, 'val', width=WIDTH, data_root={'voc_dir': str(root)}), TEST)
    random_weights(net, 1)
    deploy = Net(fcn(ROW, 'deploy', width=WIDTH), TEST)
    deploy.copy_from({name: [blob.data.numpy() for blob in blobs]
                      for name, blobs in net.params.items()})
    return net, deploy


def test_labels_are_those_of_the_mean_over_the_views(nets):
    net, deploy = nets
    net.run_forward()
    data, run = net.blobs['data'].data.numpy(), predictor(deploy)
    both = run(data).softmax(1).numpy() + run(data[..., ::-1].copy()).softmax(1).numpy()[..., ::-1]
    found = ViewsOfData(net, deploy, Views(flip=True))
    assert np.array_equal(found('score'), both[0].argmax(0))
    assert len(np.unique(found('score'))) > 1
    assert (found('score') != net.blobs['score'].data[0].argmax(0).numpy()).any()


def test_a_crf_refines_what_the_views_give(nets):
    net, deploy = nets
    net.run_forward()
    found = ViewsOfData(net, deploy, Views(flip=True), CRF)
    rgb = found.crf.picture()
    expected = crf_labels(deploy, 'score', found.scores('score').numpy(), rgb, CRF)
    assert np.array_equal(found('score'), expected)


def test_the_scoring_loop_counts_by_them(nets):
    net, deploy = nets
    plain, viewed = (evaluate(net, labels=labels).main.hist for labels in
                     (None, ViewsOfData(net, deploy, Views((0.75, 1.0), True))))
    assert (plain.sum(1) == viewed.sum(1)).all() and (plain != viewed).any()


def test_a_deploy_net_of_other_inputs_is_refused(nets):
    other = Net(fcn(VARIANTS['nyud-fcn32s-hha'], 'deploy', width=WIDTH), TEST)
    other.inputs[:] = ['hha']
    with pytest.raises(ValueError, match='takes hha, which no data layer'):
        ViewsOfData(nets[0], other, Views(flip=True))
