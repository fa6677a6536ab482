# `make run` runs the main job, `make test` the daily tests; both make .venv first. `make help` lists the rest.
# Variables: PYTHON (3.11 to 3.13, makes the environment), MARK (pytest marker expression), WORKERS (tests side by side;
# 0 with --pdb), ARGS (further arguments).

PYTHON ?= python3
MARK ?= not slow
WORKERS ?= auto
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
INPUTS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help venv run test test-all lint format bench clean

help:
	@echo "make run       calibrate anakinra to the three reports; results/report.html; ARGS=--full for the record"
	@echo "make test      daily tests; MARK='slow and not stats' chooses others"
	@echo "make test-all  all tests, the slow ones too"
	@echo "make lint      ruff, pyright, import-linter"
	@echo "make format    rewrite the code in the project's format"
	@echo "make bench     the workloads beside other solvers on this machine"
	@echo "make venv      .venv with everything for development"
	@echo "make clean     remove what the commands above made, .venv included"

run: $(STAMP)-run
	$(BIN)/pkpd run anakinra_reports --out results $(ARGS)

test: $(STAMP)-test
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "$(MARK)" $(ARGS)

test-all:
	@$(MAKE) --no-print-directory test MARK=

lint: $(STAMP)-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(STAMP)-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)-bench
	$(BIN)/python -m benchmarks $(ARGS)

venv: $(STAMP)-dev

clean:
	rm -rf $(VENV) results build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find pkpd models calibration tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info[:2] < (3, 14) or sys.exit("Python 3.11, 3.12 or 3.13 is needed, %s is %s; say make PYTHON=/path/to/one" % (sys.executable, sys.version.split()[0]))'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(STAMP)-run: $(INPUTS) | $(BIN)/python
	@echo "installing into $(VENV)"
	@$(PIP) --editable .
	@touch $@

$(STAMP)-test: $(INPUTS) | $(BIN)/python
	@echo "installing into $(VENV)"
	@$(PIP) --editable ".[test]"
	@touch $@ $(STAMP)-run

$(STAMP)-dev: $(INPUTS) | $(BIN)/python
	@echo "installing into $(VENV)"
	@$(PIP) --editable ".[test,dev]"
	@touch $@ $(STAMP)-test $(STAMP)-run

# numbalsoda is built from source; without a Fortran compiler the table says that it is absent.
$(STAMP)-bench: $(INPUTS) | $(STAMP)-run
	@echo "installing peers into $(VENV)"
	@$(PIP) --editable ".[bench]" || echo "numbalsoda could not be built (it needs gfortran and g++): left out of the comparison"
	@touch $@
