# Needs Python 3.11 or newer with venv, and nothing else. `make` alone lists what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup run test check docs bench soak fuzz pilot-train pilot-eval lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.run ## Set up what `make run` needs
run: $(VENV)/.run ## Wake the mind (ARGS="--port 0" passes options on)
	@$(BIN)/wakeful run $(ARGS)

# Three at a time: most tests wait for processes and sockets, so that two cores have room for a third.
test: $(VENV)/.dev ## Run all tests but the long ones (ARGS="-n0 -k journal" for some, one by one)
	@$(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)

check: $(VENV)/.dev ## Format, lint, types and imports
	$(BIN)/ruff format --check src tests bench examples docs
	$(BIN)/ruff check src tests bench training examples docs
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache

docs: $(VENV)/.dev ## Build the pages into build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo 'build/site/index.html'

bench: $(VENV)/.bench ## Measure (ARGS="journal cost" for some only)
	@$(BIN)/python -m bench $(ARGS)

soak: $(VENV)/.dev ## Run the long tests
	@$(BIN)/python -m pytest -m soak $(ARGS)

fuzz: $(VENV)/.dev ## Send 100,000 odd requests to the server (ARGS="1000" for fewer)
	@PYTHONPATH=. $(BIN)/python -m tests.engine.fuzz $(or $(ARGS),100000)

pilot-train: $(VENV)/.train ## Train the pilot model anew (about an hour on two cores)
	$(BIN)/python -m training.pilot.train --out training/pilot/out $(ARGS)

pilot-eval: $(VENV)/.train ## Measure the shipped pilot model on what it never saw
	$(BIN)/python -m training.pilot.evaluate $(ARGS)

lock: $(VENV)/.dev ## Resolve the locked versions anew
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile -q --upgrade --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--python-version 3.11 --extra engine pyproject.toml requirements/build.in -o requirements/run.txt
	$(BIN)/uv pip compile -q --upgrade --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--python-version 3.11 --extra engine --group dev pyproject.toml requirements/build.in -o requirements/dev.txt

clean: ## Remove what the other targets made
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Wakeful needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo 'not there')." >&2; \
		echo 'Name another one with: make run PYTHON=python3.12' >&2; exit 1; }
	@echo 'Making $(VENV)'
	@# A folder that is left half made would pass for a whole one next time.
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo 'Python lacks its module venv; on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }

$(VENV)/.run: $(BIN)/python requirements/run.txt pyproject.toml
	@echo 'Installing what Wakeful needs (about 130 MB, of which llama.cpp is most)'
	@$(PIP) install --require-hashes -r requirements/run.txt
	@$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(BIN)/python requirements/dev.txt pyproject.toml
	@echo 'Installing what Wakeful and its tests need'
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run

# Not locked, as what others are measured with should be their newest.
$(VENV)/.bench: $(VENV)/.dev
	@$(PIP) install -q 'drain3>=0.9.11' 'krcf>=0.4,<0.5' 'river>=0.26'
	@touch $@

# PyTorch is not locked: the recipe is meant for whatever build fits the machine, with or without a GPU.
$(VENV)/.train: $(VENV)/.dev
	@$(PIP) install -q torch numpy tokenizers gguf
	@touch $@
