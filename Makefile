# Everything that a person or CI does here, each by one word. `make` prints them.

VENV := .venv
BIN := $(VENV)/bin
# The first Python that is new enough; `make PYTHON=…` names another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
PROTOS := $(sort $(wildcard protos/redemption/v1/*.proto))
SITE_PACKAGES = $(shell $(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
PROTOC = $(BIN)/python -m grpc_tools.protoc -I protos -I $(SITE_PACKAGES)
PYTHON_SOURCES := server gateway tests benchmarks
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help run test test-quick storm soak ablation bench bench-quick bench-access bench-feed bench-import check format lint types imports proto proto-check proto-baseline lock clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.runtime ## Set up and run the service with the demo catalog
	@exec $(BIN)/redemption up --demo

test: $(VENV)/.development ## Set up and run the whole suite
	@$(BIN)/pytest -n 3 --dist worksteal -m "not alone"
	@$(BIN)/pytest -m alone

test-quick: $(VENV)/.development ## The suite without the tests that load the machine
	@$(BIN)/pytest -n 3 --dist worksteal -m "not alone"

storm: $(VENV)/.development ## Storm both engines with racing calls and judge what is left
	@$(BIN)/python -m tests.storm.storm --attempts 100000 --engine both

soak: $(VENV)/.development ## Mix good and bad calls, storm ten times as long, walk the models for long
	@$(BIN)/python -m tests.soak.soak --calls 100000
	@$(BIN)/python -m tests.storm.storm --attempts 1000000 --engine both --flat
	@HYPOTHESIS_PROFILE=soak $(BIN)/pytest tests/model tests/gateway/test_schemathesis.py \
		tests/commit/test_dry_run.py tests/storage/test_verify_live.py

ablation: $(VENV)/.development ## Take each guard out of a copy and see which test notices
	@$(BIN)/python -m tests.ablation.run --write docs/guarantees.md

bench: $(VENV)/.bench ## Measure throughput, latency and memory against no-op and peer (30 minutes)
	@$(BIN)/python -m benchmarks.run

bench-quick: $(VENV)/.bench ## A few cases of `make bench`, shorter (5 minutes)
	@$(BIN)/python -m benchmarks.run --quick

bench-access: $(VENV)/.development ## Measure what authentication, authorisation and rate limiting cost
	@$(BIN)/python -m benchmarks.access_cost

bench-feed: $(VENV)/.development ## Measure what watchers and a webhook cost, and how late they learn
	@$(BIN)/python -m benchmarks.feed_cost

bench-import: $(VENV)/.development ## Import a million codes; measure time and memory
	@$(BIN)/python -m benchmarks.bulk_import

check: lint types imports proto-check ## Check format, lint, types, import rules and the contract

format: $(VENV)/.development ## Format the code and the protos
	$(BIN)/ruff format $(PYTHON_SOURCES)
	$(BIN)/ruff check --fix $(PYTHON_SOURCES)
	$(BIN)/buf format -w protos

lint: $(VENV)/.development
	$(BIN)/ruff format --check $(PYTHON_SOURCES)
	$(BIN)/ruff check $(PYTHON_SOURCES)

types: $(VENV)/.development
	$(BIN)/mypy

imports: $(VENV)/.development
	$(BIN)/lint-imports

proto: $(VENV)/.development ## Generate code from the protos
	@rm -f protos/gen/redemption/v1/*_pb2*
	$(PROTOC) --python_out=protos/gen --pyi_out=protos/gen --grpc_python_out=protos/gen $(PROTOS)

proto-check: $(VENV)/.development
	$(BIN)/buf format --diff --exit-code protos
	@mkdir -p var/proto/gen
	$(PROTOC) --include_imports --include_source_info --descriptor_set_out=var/proto/image.binpb $(PROTOS)
	$(BIN)/buf lint var/proto/image.binpb --path redemption
	$(BIN)/buf breaking var/proto/image.binpb --against protos/baseline.binpb --exclude-imports
	@rm -rf var/proto/gen/*
	$(PROTOC) --python_out=var/proto/gen --pyi_out=var/proto/gen --grpc_python_out=var/proto/gen $(PROTOS)
	@for file in var/proto/gen/redemption/v1/*; do \
		cmp -s $$file protos/gen/redemption/v1/$$(basename $$file) || { \
			echo "protos/gen is stale ($$(basename $$file)): run make proto"; exit 1; }; done

proto-baseline: $(VENV)/.development ## At a release: make today's contract the one not to break
	$(PROTOC) --include_imports --descriptor_set_out=protos/baseline.binpb $(PROTOS)

lock: $(VENV)/.development ## Lock the dependencies of pyproject.toml anew
	$(UV_COMPILE) pyproject.toml -o requirements.lock
	$(UV_COMPILE) --group build -c requirements.lock -o requirements-build.lock
	$(UV_COMPILE) --group dev -c requirements.lock -o requirements-dev.lock
	$(UV_COMPILE) --group bench -c requirements-dev.lock -o requirements-bench.lock

$(VENV)/.bench: $(VENV)/.development requirements-bench.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@touch $@

clean: ## Remove the environment and everything that is made
	rm -rf $(VENV) var

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install python3 (Debian: apt-get install python3 python3-venv)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "Python's venv module is needed: install it (Debian: apt-get install python3-venv)"; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(VENV)/bin/python pyproject.toml requirements.lock requirements-build.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements.lock -r requirements-build.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.development: $(VENV)/.runtime requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
