"""Every row of the published figures names a net and a source; the short list of the facts."""

import pytest

from netspec.experiments import EXPERIMENTS
from netspec.variants import VARIANTS
from port.reproduce import published_figures as published
from port.reproduce.published_figures import FIGURES, RELEASED, RETRAINED, SOURCES


def test_every_figure_names_a_net_a_source_and_percents():
    for figure in (*FIGURES, *RELEASED, *RETRAINED):
        assert figure.net in VARIANTS or figure.net in EXPERIMENTS, figure
        assert figure.source in SOURCES and figure.values, figure
        assert all(0 < value < 100 for value in figure.values.values()), figure


def test_every_published_row_has_a_target_but_where_the_paper_has_none():
    without = {name for name in (*VARIANTS, *EXPERIMENTS)
               if not any(f.target for f in published.figures(name))}
    squeezenet = {f'{data}-fcn{stride}s-squeezenet' for data in ('voc', 'camvid')
                  for stride in (16, 8, 4)}
    assert without == squeezenet | {
        'siftflow-fcn32s', 'siftflow-fcn16s', 'camvid-fcn32s', 'camvid-fcn16s', 'camvid-fcn8s',
        'voc-fcn8s-resnet34', 'camvid-fcn8s-vggbn',
        # of these the paper says in words how they compare, without a figure
        'drop-rate', 'sigmoid', 'null-background', 'sampling-50', 'sampling-25', 'augmented',
        'balanced', 'balanced-root', 'scratch'}


@pytest.mark.parametrize(('net', 'mean_iu'), [
    ('voc-fcn32s', 63.6), ('voc-fcn16s', 65.0), ('voc-fcn8s', 65.5), ('voc-fcn8s-atonce', 65.4),
    ('accum', 51.9), ('online', 60.7), ('heavy', 63.6), ('fixed', 46.6), ('pool5', 50.0),
    ('pool4', 22.4), ('pool3', 9.2), ('camvid-fcn-basic', 45.0),
    ('camvid-segnet-basic-balanced', 47.7), ('pascalcontext-fcn8s', 39.1),
    ('deeplab-4x4', 59.80), ('deeplab-largefov', 62.25), ('deeplab-vgg16-largefov', 65.88),
    ('deeplab-vgg16-aspp-l', 68.96), ('deeplab-resnet101', 76.35)])
def test_targets_are_those_of_the_short_list(net, mean_iu):
    assert published.figures(net)[0].values['mean IU'] == mean_iu


@pytest.mark.parametrize('figure', RELEASED, ids=lambda f: f.net)
def test_released_weights_round_to_pamis_table(figure):
    (table,) = [f for f in FIGURES if (f.net, f.source, f.where) == (figure.net, 'PAMI', 'Table 3')]
    for name, value in figure.values.items():
        assert abs(value - table.values[name]) <= 0.05001


def test_spread_of_others_runs():
    assert published.spread('voc-fcn32s') == (61.81, 63.818)
    assert published.spread('voc-fcn16s') == (64.91, 65.3628)
    assert published.spread('nyud-fcn32s-color') is None
    assert published.figures('voc-fcn8s', released=True)[0].values['mean IU'] == 65.5126


def test_the_spread_is_of_the_same_recipe_only():
    assert {f.source for f in RETRAINED} == {'PT', 'CH', 'GITLANX'}
    assert {f.net for f in RETRAINED} == {'voc-fcn32s', 'voc-fcn16s', 'voc-fcn8s',
                                          'voc-fcn8s-atonce'}
    assert not any(f.split for f in RETRAINED)


OTHERS = """
voc-fcn8s PAMI 67.5 VOC 2011 test
voc-fcn8s PAMI 67.2 VOC 2012 test
voc-fcn8s UP 67.2 VOC 2012 test
voc-fcn8s CVPR-v2 62.7 VOC 2011 test
voc-fcn8s CVPR-v2 62.2 VOC 2012 test
voc-fcn32s MCN 59.43
voc-fcn16s MCN 62.35
voc-fcn8s MCN 62.69
voc-fcn32s MCN 60.8
voc-fcn16s MCN 62.25
voc-fcn32s ZOO 64.0 val
pascalcontext-fcn32s ZOO 35.1
pascalcontext-fcn8s ZOO 37.8
voc-fcn8s-atonce PT 59.04
voc-fcn32s FANGZHOU 58.3 split not stated
voc-fcn16s FANGZHOU 59.95 split not stated
voc-fcn32s FMAHOUDEAU 64.5 VOC 2012 val
voc-fcn8s-atonce FMAHOUDEAU 68.5 VOC 2012 val
voc-fcn8s FMAHOUDEAU 67.2 VOC 2012 val
voc-only FMAHOUDEAU 60.0 split not stated
voc-fcn8s-atonce FMAHOUDEAU 62.5 split not stated
voc-fcn32s WARMSPRING 60.0 restricted VOC 2012 val
voc-only GITLANX 56.93 split not stated
voc-fcn8s-atonce GITLANX 57.37 split not stated
camvid-fcn32s GITLANX 48.62 split not stated
camvid-fcn32s GITLANX 49.34 split not stated
camvid-fcn32s FMAHOUDEAU 65.0 val
camvid-fcn16s FMAHOUDEAU 70.4 val
camvid-fcn8s FMAHOUDEAU 73.2 val
camvid-fcn16s FMAHOUDEAU 69.7 val
camvid-fcn8s FMAHOUDEAU 72.9 val
camvid-segnet-basic-balanced CHAINERCV 47.2 split not stated
""".strip().splitlines()


@pytest.mark.parametrize('line', OTHERS)
def test_other_recipes_and_sets_stand_there_with_their_list(line: str):
    net, source, value, *split = line.split(' ', 3)
    found = [f for f in published.figures(net) if f.source == source
             and f.values.get('mean IU') == float(value) and [f.split] == (split or [''])]
    assert len(found) == 1 and not found[0].target and found[0].note
