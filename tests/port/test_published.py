"""port.published: every row names a net and a source; the short list of the facts file."""

import pytest

from netspec.experiments import EXPERIMENTS
from netspec.variants import VARIANTS
from port import published
from port.published import FIGURES, RELEASED, RETRAINED, SOURCES


def test_every_figure_names_a_net_a_source_and_percents():
    for figure in (*FIGURES, *RELEASED, *RETRAINED):
        assert figure.net in VARIANTS or figure.net in EXPERIMENTS, figure
        assert figure.source in SOURCES and figure.values, figure
        assert all(0 < value < 100 for value in figure.values.values()), figure


def test_every_published_row_has_a_target_but_where_the_paper_has_none():
    without = {name for name in (*VARIANTS, *EXPERIMENTS)
               if not any(f.target for f in published.figures(name))}
    assert without == {'siftflow-fcn32s', 'siftflow-fcn16s', 'camvid-fcn32s', 'camvid-fcn16s',
                       'camvid-fcn8s'}


@pytest.mark.parametrize(('net', 'mean_iu'), [
    ('voc-fcn32s', 63.6), ('voc-fcn16s', 65.0), ('voc-fcn8s', 65.5), ('voc-fcn8s-atonce', 65.4),
    ('accum', 51.9), ('online', 60.7), ('heavy', 63.6), ('fixed', 46.6), ('pool5', 50.0),
    ('pool4', 22.4), ('pool3', 9.2), ('camvid-fcn-basic', 45.0),
    ('camvid-segnet-basic-balanced', 47.7), ('pascalcontext-fcn8s', 39.1)])
def test_targets_are_those_of_the_short_list(net, mean_iu):
    assert published.figures(net)[0].values['mean IU'] == mean_iu


@pytest.mark.parametrize('figure', RELEASED, ids=lambda f: f.net)
def test_released_weights_round_to_pamis_table(figure):
    (table,) = [f for f in FIGURES if f.net == figure.net and f.where == 'Table 3']
    for name, value in figure.values.items():
        assert abs(value - table.values[name]) <= 0.05001


def test_spread_of_others_runs():
    assert published.spread('voc-fcn32s') == (60.8, 63.818)
    assert published.spread('nyud-fcn32s-color') is None
    assert published.figures('voc-fcn8s', released=True)[0].values['mean IU'] == 65.5126
