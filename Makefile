# Every target sets up .venv from requirements.lock first (instant when it is up to date).
# Another interpreter: make demo PYTHON=python3.12

ifeq ($(OS),Windows_NT)
PYTHON ?= py -3
VENV_PYTHON := .venv/Scripts/python.exe
else
PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
endif
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test slow lint lab bench clean lock

help: ## this list
	@echo "make demo    set up, then the main job on the bundled simulated example; names what it wrote"
	@echo "make test    set up, then the tests (a few minutes)"
	@echo "make slow    the long tests: coverage simulations, browsers"
	@echo "make lint    ruff and mypy"
	@echo "make lab     JupyterLab on the notebooks"
	@echo "make bench   speed against the rivals, objective gap beside the seconds"
	@echo "make lock    rewrite requirements.lock from the ranges in pyproject.toml"
	@echo "make clean   remove what builds, tests and runs left behind (keeps .venv)"

.venv/.ready: requirements.lock pyproject.toml tools/bootstrap.py
	@$(PYTHON) tools/bootstrap.py

demo: .venv/.ready
	@$(VENV_PYTHON) -m sem_models demo

test: .venv/.ready
	@$(VENV_PYTHON) -m pytest $(PYTEST_ARGS)

slow: .venv/.ready
	@$(VENV_PYTHON) -m pytest -m slow $(PYTEST_ARGS)

lint: .venv/.ready
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m ruff format --check .
	@$(VENV_PYTHON) -m mypy

lab: .venv/.ready
	@$(VENV_PYTHON) -m jupyterlab notebooks

bench: .venv/.ready
	@$(VENV_PYTHON) -m benchmarks

lock: .venv/.ready
	@$(VENV_PYTHON) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --extra dev pyproject.toml -o requirements.lock

clean:
	@$(PYTHON) tools/clean.py
