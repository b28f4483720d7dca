# Each target sets up what it needs, on a bare machine with Python and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

.DEFAULT_GOAL := help
.PHONY: help demo test lint fix bench notebooks clean browser

help:  ## show what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# Debian's Python makes no virtual environments until python3-venv is there.
$(BIN)/python:
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { rm -rf $(VENV); \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	    && echo "installing Debian's python3-venv" \
	    && apt-get update -qq >/dev/null \
	    && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv >/dev/null \
	    && $(PYTHON) -m venv $(VENV); } || { rm -rf $(VENV); \
	  echo "nbtrack: $(PYTHON) cannot make virtual environments." \
	       "On Debian: apt-get install python3-venv" >&2; exit 1; }

$(STAMP)-%: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[$*]'
	@touch $@

demo: $(STAMP)-demo  ## train two runs in a notebook, print what they left, open it
	$(BIN)/python -m notebooks.demo

test: $(STAMP)-test browser  ## the whole suite, as CI runs it
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest

browser:  # Debian's chromium, where it is missing and we may install it
	@sh tests/browser/ensure_chromium.sh

lint: $(STAMP)-test  ## style, types and layers
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-logo

fix: $(STAMP)-test  ## mend what the tools can mend
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

bench: $(STAMP)-bench  ## measure; prints the table of README
	$(BIN)/python -m benchmarks

notebooks: $(STAMP)-test  ## execute the notebooks
	$(BIN)/python -m pytest tests/notebook

clean:  ## remove what the targets made
	rm -rf $(VENV) demo-output screenshots .pytest_cache .mypy_cache .ruff_cache
