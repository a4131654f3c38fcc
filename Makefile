# make verify   environment, install, the ledger of claims
# make report   environment, install, report/report.html: ledger, derivations, errata, explorer
# make test     environment, install, the whole test suite
# make lint     ruff and mypy
# make clean    remove the environment and everything generated
# PYTHON=... chooses the interpreter (>= 3.11) that the environment is made from.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
USER_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

.PHONY: verify report test lint environment clean

verify: $(USER_STAMP)
	$(BIN)/python -m theory_sim verify

# What deep_check measured goes in where it is: make report DEEP=runs/figures/results.json
report: $(USER_STAMP)
	$(BIN)/python -m theory_sim report --out report $(if $(DEEP),--deep $(DEEP))

test: $(DEV_STAMP)
	$(BIN)/python -m pytest

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

environment: $(DEV_STAMP)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python >= 3.11 is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

# The package is installed in editable mode: only a changed pyproject.toml calls for another installation.
$(USER_STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(DEV_STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(USER_STAMP) $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find theory_sim deep_check benchmarks tests -name __pycache__ -prune -exec rm -rf {} +
