# make demo, make test: all that a newcomer needs (Python 3.11 and make).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test slow lint prototxt bench bench-nets coverage mutate test-lowest wheel-test clean crash fuzz sanitize referee browser

demo: $(VENV)/installed
	$(BIN)/fcn demo --out demo

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2

slow: $(VENV)/installed
	$(BIN)/python -m pytest -q -m slow

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/mypy

# The pages we write, in a real Chromium that is installed (apt-get install chromium).
browser: $(VENV)/installed
	$(BIN)/pip install -q -c constraints.txt -e '.[browser]'
	$(BIN)/python -m pytest -q -m browser

prototxt: $(VENV)/installed
	$(BIN)/fcn generate --all

bench: $(VENV)/installed
	$(BIN)/python benchmarks/figures/table.py --run

# Every net of `fcn list` at a quarter of its width: ours, eager, ONNX Runtime, the plain engine; a
# training step. Five minutes of two cores. NETS='--width 1 --nets voc-fcn8s': others.
bench-nets: $(VENV)/installed
	PYTHONPATH=benchmarks $(BIN)/python benchmarks/nets/every_net.py --page build/every_net.md $(NETS)

# The default tests once more, counting which lines they reach; subprocesses are not counted.
coverage: $(VENV)/installed
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --cov --cov-report=term:skip-covered

# A wheel, installed in .venv-wheel, and the tests that need no source tree, run away from the source.
wheel-test:
	rm -rf $(VENV)-wheel dist build/away
	$(PYTHON) -m venv $(VENV)-wheel
	$(VENV)-wheel/bin/pip wheel -q --no-deps -w dist .
	$(VENV)-wheel/bin/pip install -q -c constraints.txt torch==2.13.0
	$(VENV)-wheel/bin/pip install -q -c constraints.txt "$$(ls dist/fcn_caffe-*.whl)[test]"
	mkdir -p build/away && cp -r tests pyproject.toml build/away/
	cd build/away && OMP_NUM_THREADS=1 $(abspath $(VENV)-wheel)/bin/python -m pytest -q -n 2

# Small changes of chosen modules that no test notices; takes hours. ONLY=solver: modules so named;
# ONLY='solver 40': 40 changes of each, drawn by chance.
mutate: $(VENV)/installed
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	OMP_NUM_THREADS=1 $(BIN)/python tests/mutate.py $(ONLY)

# Trying to break it: kills and full disks, damaged files, sanitizers (tests/campaigns/). What was
# counted is kept in build/campaigns, and the same command goes on from there.
MINUTES ?= 10
KILLS ?= 300
SEED ?= 1

crash: $(VENV)/installed
	$(BIN)/python tests/campaigns/full_disk.py --counts build/campaigns/disk.json
	$(BIN)/python tests/campaigns/crash.py --kills $(KILLS) --seed $(SEED) \
	    --counts build/campaigns/crash.json

fuzz: $(VENV)/installed
	$(BIN)/python tests/campaigns/fuzz.py --minutes $(MINUTES) --seed $(SEED) \
	    --counts build/campaigns/fuzz.json

# Random layers, nets and solvers against a Caffe of your own: CAFFE=/path/to/caffe/python.
COUNT ?= 500
referee: $(VENV)/installed
	$(BIN)/python tests/campaigns/referee.py --caffe "$(CAFFE)" --count $(COUNT) --seed $(SEED) \
	    --counts build/campaigns/referee.json

sanitize: $(VENV)/installed
	$(BIN)/python tests/campaigns/sanitize.py

# The default tests in .venv-lowest, with the lowest versions that pyproject.toml allows.
test-lowest: $(VENV)-lowest/installed
	OMP_NUM_THREADS=1 $(VENV)-lowest/bin/python -m pytest -q -n 2

$(VENV)-lowest/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)-lowest
	$(PYTHON) -c "import re, tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
	    extras = project['optional-dependencies']; \
	    wanted = project['dependencies'] + extras['lmdb'] + extras['scripts'] + extras['serve'] + extras['tiff'] + extras['test'][1:]; \
	    print(*(re.sub('>=([^,]*).*', r'==\1', one) for one in wanted), sep='\n')" \
	    > $(VENV)-lowest/lowest.txt
	$(VENV)-lowest/bin/pip install -q -r $(VENV)-lowest/lowest.txt
	$(VENV)-lowest/bin/pip install -q --no-deps -e .
	touch $@

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt torch==2.13.0
	$(BIN)/pip install -q -c constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-wheel demo build dist *.egg-info
