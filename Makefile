# Every daily action. `make demo` and `make test` need nothing but Python >= 3.11 with pip and venv;
# tests with the JavaScript client are skipped where there is no Node.js.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CLIENTS := .venv-clients
JS_CLIENT := tests/clients/javascript
PIP := -m pip --disable-pip-version-check install --quiet

.PHONY: demo test variations crash check selfcheck reproducing innocence fuzz format clients benchmark benchmark-load capacity load-races clean

demo: $(VENV)/.installed
	$(BIN)/wireproof check

# Hundreds of processes are started, and each would compile everything anew where PYTHONDONTWRITEBYTECODE is set.
test variations crash: export PYTHONDONTWRITEBYTECODE :=

# Slow tests stand together: who has nothing left takes over from the others.
test: $(VENV)/.installed-dev clients
	$(BIN)/pytest -n 4 --dist worksteal

# `make test` asks each of the servers of these tests what concerns it and a part of the rest, this one everything: minutes.
variations: $(VENV)/.installed-dev
	WIREPROOF_VARIATIONS=whole $(BIN)/pytest -n 2 --dist worksteal tests/conformance/test_innocent_servers.py \
		tests/conformance/test_determinism.py tests/conformance/test_distant_server.py \
		tests/conformance/test_serializer_choice.py tests/reference_server/test_tls.py

# `make test` kills the server twice for each durability, this one twenty times.
crash: $(VENV)/.installed-dev
	WIREPROOF_CRASH_ROUNDS=20 $(BIN)/pytest -n 2 tests/crash

check: $(VENV)/.installed-dev test variations crash
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q --doctest-modules specs reports reference_server conformance loadgen --ignore loadgen/locustfile.py

# The suite against every deviation of the catalogue: some minutes, so that it runs by night.
selfcheck: $(VENV)/.installed
	$(BIN)/wireproof selfcheck -j 3

# Whether findings can be seen again, by replay and by their standalone files: a sample of the deviations, some minutes.
reproducing: $(VENV)/.installed-dev
	$(BIN)/python -m tests.reproducing.measure

# Honest servers must never be accused: RUNS full runs of each kind, with both cores kept busy. Hours, with 50.
RUNS ?= 50
innocence: $(VENV)/.installed-dev
	$(BIN)/python -m tests.innocence.soak --runs $(RUNS) --burn 2

# More than a million hostile inputs: some minutes, so that it runs by night, too.
fuzz: $(VENV)/.installed-fuzz
	$(BIN)/python -m tests.fuzz.nightly

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Takes three minutes and wants a quiet machine.
benchmark: $(VENV)/.installed
	$(BIN)/python tests/benchmarks/throughput.py
	$(BIN)/python tests/benchmarks/fanout.py
	$(BIN)/python tests/benchmarks/memory.py
	$(BIN)/python tests/benchmarks/ledger.py
	$(BIN)/python tests/benchmarks/history.py

# Takes five minutes and wants a quiet machine.
benchmark-load: $(VENV)/.installed-dev
	$(BIN)/python tests/benchmarks/load_pairs.py
	$(BIN)/python tests/benchmarks/load_agents.py
	$(BIN)/python tests/benchmarks/load_truth.py

# Whether `wireproof capacity` finds what a server of known capacity carries: six searches, ten minutes.
capacity: $(VENV)/.installed-dev
	$(BIN)/python tests/benchmarks/load_capacity.py

# Races that a load run must name, and twenty loads of honest servers: fifteen minutes.
load-races: $(VENV)/.installed-dev
	$(BIN)/python -m tests.loadgen.races
	$(BIN)/python -m tests.loadgen.races --clean 20

clients: $(CLIENTS)/.installed $(JS_CLIENT)/node_modules/.installed

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python $(PIP) -e '.[fast]'
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python $(PIP) -e '.[dev,fast,load]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-fuzz: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python $(PIP) -e '.[dev,fast,fuzz,load]'
	touch $@ $(VENV)/.installed $(VENV)/.installed-dev

# Foreign clients have bounds of their own on shared libraries, so they get an environment of their own.
$(CLIENTS)/.installed: tests/clients/requirements.txt
	$(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/python $(PIP) -r $<
	touch $@

$(JS_CLIENT)/node_modules/.installed: $(JS_CLIENT)/package.json
	if command -v npm >/dev/null; then cd $(JS_CLIENT) && npm install --no-audit --no-fund --no-package-lock --silent; fi
	mkdir -p $(dir $@) && touch $@

clean:
	rm -rf $(VENV) $(CLIENTS) $(JS_CLIENT)/node_modules build dist *.egg-info
