# Every target makes what it needs: `make run` and `make test` work on a fresh machine.
#
#   make run       strike the spark: run recipes/quickstart.toml, then ask the new model one question over HTTP
#   make test      the tests, all but the slowest few: some minutes on two cores
#   make test-all  every test (as CI does)
#   make lint      formatting, lint, types (as CI does)
#   make install   only the environment   make format   mend what can be mended without thought
#   make docs      docs/reference.md from the code
#
#   PYTHON=python3.12           another interpreter (3.11 or newer)
#   TORCH_INSTALL_ARGS="..."    passed to the installation of torch only: which build, from where (CONTRIBUTING.md)

PYTHON ?= python3
VENV ?= .venv
TORCH_INSTALL_ARGS ?=
# a question of the test split: no training batch ever held it
QUESTION ?= 48 + 77 = ?

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt
RECORD := pyproject.toml constraints.txt

.PHONY: install run test test-all lint format docs clean

install: $(VENV)/.installed

run: $(VENV)/.installed
	$(BIN)/firesteel run recipes/quickstart.toml
	$(BIN)/firesteel chat runs/quickstart/release --question "$(QUESTION)"

# Files in their own order: by number of tests, the order of xdist, the longest would come last, and one core would idle.
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

test: $(VENV)/.installed-test
	$(PYTEST) -m "not slow"

test-all: $(VENV)/.installed-test
	$(PYTEST)

lint: $(VENV)/.installed-test
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/.installed
	$(BIN)/python docs/make_reference.py

clean:  # the environment and caches; never runs/
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

# pip is the last thing that venv makes: a half-made environment does not count.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "error: Python 3.11 or newer is needed. hint: make install PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV) || \
	    { echo "error: no virtual environment could be made. hint: apt-get install python3-venv" >&2; exit 2; }

# torch first and by itself, so that its arguments reach it and nothing else.
$(VENV)/.installed: $(RECORD) | $(BIN)/pip
	$(PIP) $(TORCH_INSTALL_ARGS) torch
	$(PIP) -e .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) -e '.[test]'
	touch $@
