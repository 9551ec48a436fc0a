# Two commands matter: `make demo` and `make test`. Both need Python >= 3.11 and nothing else.

PYTHON ?= python3
PORT ?= 8000
ROWS ?= 2000
FAULTS_SPAN_S ?= 20
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --root-user-action=ignore

.PHONY: demo test faults long lint lock clean help

help:            ## what can be made
	@grep -hE '^[a-z]+: .*##|^[a-z]+:  +##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: $(VENV)/.run  ## issue a sample roster and serve it on http://127.0.0.1:8000 (PORT=, ROWS=)
	@PORT=$(PORT) ROWS=$(ROWS) $(BIN)/verify demo

test: $(VENV)/.test  ## everything: types, lint, import contracts, tests on real parts
	@$(BIN)/python -m pytest -n 3 --dist loadgroup -ra

faults: $(VENV)/.test  ## every fault schedule, each for FAULTS_SPAN_S seconds of traffic
	@FAULTS_SPAN_S=$(FAULTS_SPAN_S) $(BIN)/python -m pytest tests/faults -m "long or not long" -ra -s

long: $(VENV)/.test  ## what takes minutes: every fault and every load scenario
	@$(BIN)/python -m pytest -m long -ra

lint: $(VENV)/.test  ## only types, lint and import contracts
	@$(BIN)/python -m pytest tests/house -ra

lock:            ## renew the lock files from pyproject.toml (needs uv)
	$(PYTHON) -m uv lock --upgrade
	$(PYTHON) -m uv export --quiet --format requirements.txt --no-emit-project --no-header --no-annotate -o requirements.lock
	$(PYTHON) -m uv export --quiet --extra test --format requirements.txt --no-emit-project --no-header --no-annotate -o requirements-test.lock
	rm -f uv.lock

clean:           ## remove what the other targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "verify needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "the venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing from requirements.lock"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps -e .
	@touch $@

$(VENV)/.test: requirements-test.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing from requirements-test.lock"
	@$(PIP) --require-hashes -r requirements-test.lock
	@$(PIP) --no-deps -e .
	@touch $@ $(VENV)/.run
