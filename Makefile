# make demo | test | lint | docs | clean. Everything is installed into .venv once; delete it to start over.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

DEMO_RECIPE ?= chest-ct-nodules-small
DEMO_DIR ?= demo
PYTEST_ARGS ?= -n auto --dist loadgroup

.PHONY: demo test lint docs clean

demo: $(VENV)/.installed
	$(BIN)/medsynth generate $(DEMO_RECIPE) -n 1 -o $(DEMO_DIR) --seed 1
	@echo "Image, labels, lesions and annotations: $(DEMO_DIR)/case-00000/"
	@echo "Look at it first:                       $(DEMO_DIR)/case-00000/preview.png"

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(DEMO_DIR) site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11 or newer, or name one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "medsynth needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) -V 2>&1); name another: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet -c constraints.txt torch  # first: the build that this machine has, not its largest one
	$(PIP) install --quiet -c constraints.txt -e ".[test,docs,cluster,croissant]"
	@touch $@ $(VENV)/.installed
