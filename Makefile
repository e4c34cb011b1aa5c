# Everything runs in .venv, which `make env` makes from nothing but Python and this folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BASE := .venv-base
BASE_STAMP := $(BASE)/.installed
SOURCES := $(shell find edgeseg converters runtime -name '*.py')

.PHONY: env demo test lint types imports unit bench clean

env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[convert,dev]'
	touch $@

# The package as a board gets it: a built wheel without extras.
$(BASE_STAMP): pyproject.toml constraints.txt $(SOURCES)
	$(PYTHON) -m venv $(BASE)
	$(BASE)/bin/python -m pip install --quiet --constraint constraints.txt --force-reinstall .
	touch $@

demo: env
	$(BIN)/edgeseg demo

test: env lint types imports unit

lint: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: env
	$(BIN)/mypy
	MYPYPATH=examples:examples/kidney_unet $(BIN)/mypy examples/*.py examples/kidney_unet/*.py

imports: env
	$(BIN)/lint-imports

unit: env $(BASE_STAMP)
	EDGESEG_BASE_PYTHON=$(abspath $(BASE)/bin/python) $(BIN)/pytest --numprocesses 2 --dist loadfile --durations 15

bench: env
	$(BIN)/python tests/benchmarks/run.py

clean:
	rm -rf $(VENV) $(BASE) build dist
