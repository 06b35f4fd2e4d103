# `make` lists the targets. Nothing here needs Docker, Kubernetes or root.
SHELL := bash
.DEFAULT_GOAL := help
PYTHON ?= python3
DATA ?= .nightshift
VENV := .venv
SCANNER_VENV := .venv-scanner
BIN := $(VENV)/bin
KUBE := PYTHONPATH=$(CURDIR)/include:$(CURDIR) $(BIN)/python -m tests.kube
UV_VERSION := 0.13.9

export PYTHONPATH := $(CURDIR)/include
# Trust what the system trusts: a company's own certificate authority, for instance.
export UV_SYSTEM_CERTS := true

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | awk -F'\t' '{printf "  make %-21s %s\n", $$1, $$2}'

.PHONY: setup demo demo-weekend up down status test test-nights test-kube test-weekends lint docs lock clean
.PHONY: bench-night bench-placement bench-placement-kube bench-waves
setup: $(VENV)/.done $(SCANNER_VENV)/.done ## make both environments (done by the other targets)

UV := $(VENV)/bin/uv

$(UV):
	@echo "making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"

$(VENV)/.done: requirements.txt requirements-dev.txt | $(UV)
	@echo "installing requirements (compiled, so that tasks start fast) ..."
	@$(UV) pip install --quiet --compile-bytecode --require-hashes --python $(BIN)/python -r requirements.txt
	@$(BIN)/python -m compileall -q include dags
	@touch $@

$(VENV)/.dev: $(VENV)/.done
	@$(UV) pip install --quiet --require-hashes --python $(BIN)/python -r requirements-dev.txt
	@touch $@

$(SCANNER_VENV)/.done: scanner/requirements.txt | $(UV)
	@echo "installing scanners ..."
	@$(UV) venv --quiet --allow-existing --python $(BIN)/python $(SCANNER_VENV)
	@$(UV) pip install --quiet --compile-bytecode --require-hashes --python $(SCANNER_VENV)/bin/python -r scanner/requirements.txt
	@echo "$(CURDIR)/include" > "$$($(SCANNER_VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/nightshift.pth"
	@touch $@

demo: setup ## one night on real code, shown as it goes; ONCE=1 exits, REPOSITORIES=my.yaml scans yours, CLUSTER=kube
	@$(if $(filter kube,$(CLUSTER)),$(KUBE) demo,$(BIN)/python -m nightshift demo --data $(DATA)) $(if $(ONCE),--once) $(if $(REPOSITORIES),--repositories $(REPOSITORIES))

demo-weekend: setup ## a weekend in a minute: Friday, a person on Saturday, Monday, what it saved
	@$(BIN)/python -m nightshift capacity demo --data $(DATA)-weekend

up: setup ## start the trial stack: PostgreSQL, a local cluster, Airflow
	@$(BIN)/python -m nightshift up --data $(DATA)

down: setup ## stop it; nothing is left running
	@$(BIN)/python -m nightshift down --data $(DATA)

status: setup ## say what runs, where, and how to log in
	@$(BIN)/python -m nightshift status --data $(DATA)

test-kube: setup $(VENV)/.dev ## the tests that need a real Kubernetes: builds one, runs it here, ends it (root, Go)
	@$(KUBE) test -- $(PYTEST_ARGS)

test: setup $(VENV)/.dev ## run the tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not more_nights" $(PYTEST_ARGS)

test-nights: setup $(VENV)/.dev ## more whole nights: deferrable, on a full volume, a weekend in Airflow
	@$(BIN)/python -m pytest -m more_nights tests/night $(PYTEST_ARGS)

test-weekends: setup $(VENV)/.dev ## 500 random weekends over HTTP (HISTORIES=500)
	@NIGHTSHIFT_TEST_HISTORIES=$(or $(HISTORIES),500) $(BIN)/python -m pytest -n 2 tests/property/test_capacity_histories.py

lint: setup $(VENV)/.dev ## ruff, mypy, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy include/nightshift tests bench
	@$(BIN)/lint-imports --no-cache

bench-night: setup ## 200 synthetic scans through the full Dag, against the ideal (N=200)
	@$(BIN)/python -m bench.night --data $(DATA)-bench --scans $(or $(N),200)

bench-placement: setup ## placement against rivals and bounds, simulated; FULL=1: all sizes, OPENB=folder
	@$(BIN)/python -m bench.placement $(if $(FULL),--full) $(if $(OPENB),--openb $(OPENB)) $(ARGS)

bench-waves: setup ## batches of up to 8 times the free room: order, brake and accounts in turns, simulated
	@$(BIN)/python -m bench.placement.waves $(ARGS)

BENCH_KUBE := --fake --data $(CURDIR)/.nightshift-kube/bench

bench-placement-kube: setup $(VENV)/.dev ## the same on a real kube-scheduler, started here (Go), with fake nodes
	@$(KUBE) up $(BENCH_KUBE) --without kube-controller-manager --without kwok --scheduler bench/placement/scheduler.json
	@trap '$(KUBE) down $(BENCH_KUBE)' EXIT; $(BIN)/python -m bench.placement.kube --kubeconfig .nightshift-kube/bench/kubeconfig $(ARGS)

docs: setup $(VENV)/.dev ## write the generated reference pages anew
	@$(BIN)/python -m nightshift.cli.pages docs
	@$(BIN)/python -m nightshift.scanners.reference > docs/scanners.md
	@$(BIN)/python -m tests.contract.catalogue > docs/contract.md

lock: $(UV) ## pin requirements*.in again
	@$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements.in -o requirements.txt
	@$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements-dev.in -o requirements-dev.txt
	@$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 scanner/requirements.in -o scanner/requirements.txt

clean: ## remove environments and data (run `make down` first)
	rm -rf $(VENV) $(SCANNER_VENV) $(DATA) $(DATA)-bench $(DATA)-weekend
