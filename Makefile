# `make up` and `make test` set up what is missing and go; that is all a newcomer needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=
# most of the long tests wait for processes: three at once, also on two cores
JOBS   ?= 3
# tests in Chromium and Prometheus: in CI, or where somebody who has both says so
TOOLS  ?= $(AXIOM_TEST_REQUIRE_REAL)
WITHOUT = $(if $(TOOLS),, and not tools)

.DEFAULT_GOAL := help
.PHONY: help setup up test check bench lock clean

help:  ## Show what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.installed  ## Make .venv and install the locked requirements

$(VENV)/.installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Axiom needs Python 3.11 or newer; name one: make setup PYTHON=python3.12"; exit 1; }
	@echo "Setting up $(VENV) (a few hundred megabytes, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --compile-bytecode --require-hashes -r requirements.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

up: setup  ## Start everything (ARGS=--once: run each pipeline once and stop)
	@$(BIN)/axiom up $(ARGS)

test: setup  ## Run the tests (JOBS=1: one after the other; ARGS: for pytest; TOOLS=yes: all)
	@code=0; $(BIN)/python -m pytest -m "alone$(WITHOUT)" $(ARGS) || code=$$?; \
	  [ $$code = 5 ] && code=0; \
	  $(BIN)/python -m pytest -m "not alone$(WITHOUT)" -n $(JOBS) --dist loadfile $(ARGS) || code=$$?; \
	  $(if $(TOOLS),,echo "Left out: pages in Chromium, metrics in Prometheus. CI brings both, as root,"; \
	  echo "by .ci/chromium.sh and .ci/prometheus.sh; with them: make test TOOLS=yes";) \
	  exit $$code

check: setup  ## Lint, types, layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup  ## Measure: each figure beside its peer or its limit (a quarter of an hour)
	@for each in benchmarks/*.py; do echo "$$each"; $(BIN)/python $$each || exit 1; done

lock: setup  ## Pin the newest versions that pyproject.toml allows, with hashes and without addresses
	@$(BIN)/uv pip compile pyproject.toml --extra embedded --group dev --universal \
	  --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --upgrade --quiet -o requirements.txt
	@echo uv | $(BIN)/uv pip compile - --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --upgrade --quiet -o requirements-uv.txt

clean:  ## Remove .venv and the data of the embedded servers
	rm -rf $(VENV) .axiom
