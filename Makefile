# `make` lists the targets. Python: make PYTHON=python3.12 ...   CUDA: make TORCH_INDEX=URL ...
PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(VENV)/installed: pyproject.toml constraints.txt
	@echo "Installing into $(VENV): about 2 GB, a few minutes. It is quiet meanwhile."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

install: $(VENV)/installed  ## .venv with everything the project and its tests need

demo: install  ## the whole pipeline on a small web, offline, under 5 minutes
	$(BIN)/webtext demo

check: install  ## lint, format, types, layers; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: install  ## fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: install  ## the tests, without the slow ones
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow'

test-slow: install  ## the slow tests: kill -9 in every stage, real pages, the whole demo
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow

audit: install  ## known vulnerabilities of the pinned versions; asks PyPI
	$(BIN)/python -m tests.stack.audit

clean:  ## remove .venv, caches and ./data
	rm -rf $(VENV) data build *.egg-info .pytest_cache .ruff_cache .hypothesis

.PHONY: help install demo check format test test-slow audit clean
.DEFAULT_GOAL := help
