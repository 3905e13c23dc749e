# Everything installs itself: `make demo` and `make test` are all a fresh machine needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo run test test-processes test-modules check conformance fuzz bench format clean lock

demo: $(INSTALLED)
	$(BIN)/callgate demo

run: $(INSTALLED)
	$(BIN)/callgate run

# Tests of the record in PostgreSQL use a server that is there, or start one: where neither is, Debian's is installed.
test: $(INSTALLED)
	command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || \
		! command -v apt-get >/dev/null || { apt-get update && apt-get install -y --no-install-recommends postgresql; }
	$(MAKE) --no-print-directory --jobs=2 --keep-going test-processes test-modules

# In two lanes, so that no core waits: tests that start a gateway, and the others.
test-processes: $(INSTALLED)
	$(BIN)/pytest tests/e2e

test-modules: $(INSTALLED)
	$(BIN)/pytest --ignore=tests/e2e

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

conformance: $(INSTALLED)
	$(BIN)/python tests/conformance/run.py

# Looks for inputs that break the parsers, for a minute each; what is found belongs into tests/fuzz/corpus.
fuzz: $(INSTALLED)
	$(BIN)/uv pip install --quiet --python $(BIN)/python 'atheris>=3,<4'
	PYTHONPATH=tests $(BIN)/python -m fuzz.run --seconds $(or $(FUZZ_SECONDS),60)

bench: $(INSTALLED)
	$(BIN)/python bench/run.py

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(INSTALLED): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Callgate needs Python 3.11 or newer: make PYTHON=python3.x …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { apt-get update && apt-get install -y python3-venv && $(PYTHON) -m venv $(VENV); }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

# The versions that were tried together, with their hashes; install uv and run this to move them.
lock: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --all-extras --group dev pyproject.toml --output-file requirements.lock

clean:
	rm -rf $(VENV) .node .conformance .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
