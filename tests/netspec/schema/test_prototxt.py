"""Net and solver files: reading with upgrades, the lines of layers, writing."""

import pytest

from netspec.schema import (
    PrototxtError,
    parse_net,
    parse_net_with_lines,
    parse_solver,
    print_net,
    print_solver,
    read_net,
    read_net_with_lines,
    read_solver,
    write_text,
)
from netspec.schema.messages import NetParameter, SolverParameter

V1 = 'layers {\n  name: "r"\n  type: RELU\n  bottom: "x"\n}\n'


def test_nets_and_solvers_are_read_and_printed(tmp_path):
    net = 'name: "n"\nlayer {\n  name: "a"\n  type: "ReLU"\n}\n'
    (tmp_path / 'net').write_text(f'# comment\n{net}')
    assert print_net(read_net(tmp_path / 'net')) == net
    (tmp_path / 'solver').write_text('base_lr: 1e-10 # low\nnet: "net"')
    assert print_solver(read_solver(str(tmp_path / 'solver'))) == 'base_lr: 1e-10\nnet: "net"\n'


def test_upgrades_come_with_reading_unless_told_not_to():
    assert parse_net(V1).layer[0].type == 'ReLU'
    assert print_net(parse_net(V1, upgrade=False)) == V1.replace(
        '  name: "r"\n  type: RELU\n  bottom: "x"\n', '  bottom: "x"\n  name: "r"\n  type: RELU\n')
    assert parse_solver('solver_type: ADAM').type == 'Adam'
    assert parse_solver('solver_type: ADAM', upgrade=False).HasField('solver_type')


def test_nets_within_a_solver_are_upgraded():
    inner = V1.replace('\n', ' ')
    solver = parse_solver(f'net_param {{ {inner} }} test_net_param {{ {inner} }} '
                          f'test_net_param {{ }} train_net_param {{ {inner} }}')
    for net in (solver.net_param, solver.train_net_param, solver.test_net_param[0]):
        assert [layer.type for layer in net.layer] == ['ReLU'] and not net.layers


def test_the_lines_of_layers():
    net, lines = parse_net_with_lines('name: "n"\n\nlayer { }\n# layer\nlayer {\n name: "b" }')
    assert lines == {0: 3, 1: 5} and len(net.layer) == 2


def test_the_lines_of_layers_through_an_upgrade(tmp_path):
    (tmp_path / 'net').write_text('''name: "n"
input: "x"
input_dim: 1 input_dim: 1 input_dim: 4 input_dim: 4
layers { bottom: "x" top: "p" layer { type: "padding" pad: 1 } }
layers {
  bottom: "p" top: "c" layer { name: "c" type: "conv" } }
layers { bottom: "c" top: "r" layer { name: "r" type: "relu" } }
''')
    net, lines = read_net_with_lines(tmp_path / 'net')
    assert [layer.name for layer in net.layer] == ['input', 'c', 'r']
    assert lines == {0: 2, 1: 5, 2: 7}
    assert read_net_with_lines(tmp_path / 'net', upgrade=False)[1] == {0: 4, 1: 5, 2: 7}


def test_inputs_without_shapes_take_no_line():
    assert parse_net_with_lines('input: "x"\nlayer { }')[1] == {0: 2}


def test_errors_name_the_file_and_the_line(tmp_path):
    (tmp_path / 'net').write_text('layers { layer {\n type: "relu" } }\nlayers { layer {\n'
                                  ' name: "a" type: "x" } }')
    with pytest.raises(ValueError, match=rf"^{tmp_path}/net:3: layer 'a': unknown V0 layer type"):
        read_net(tmp_path / 'net')
    (tmp_path / 'net').write_text('layer { }\nlayers { }')
    with pytest.raises(ValueError, match=rf"^{tmp_path}/net: the net has both 'layer'"):
        read_net(tmp_path / 'net')
    (tmp_path / 'solver').write_text('solver_type: SGD type: "SGD"')
    with pytest.raises(ValueError, match=rf'^{tmp_path}/solver: the solver has both'):
        read_solver(tmp_path / 'solver')
    (tmp_path / 'solver').write_text('\n  lr: 1')
    with pytest.raises(PrototxtError, match=rf"^{tmp_path}/solver:2:3: unknown field 'lr'"):
        read_solver(tmp_path / 'solver')
    with pytest.raises(FileNotFoundError, match='no such prototxt'):
        read_net(tmp_path / 'none')


def test_what_is_written_is_read(tmp_path):
    net = NetParameter(name='café', input=['x'])
    write_text(tmp_path / 'net', net)
    assert read_net(tmp_path / 'net', upgrade=False) == net
    write_text(tmp_path / 'solver', SolverParameter(base_lr=0.1))
    assert (tmp_path / 'solver').read_text() == 'base_lr: 0.1\n'
