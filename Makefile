# Needs python3 >= 3.11 and make, nothing else: Kafka, PostgreSQL and Valkey come as locked packages.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Hundreds of processes start in a test run; each would compile our modules anew where an image forbids bytecode.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
BIN := .venv/bin
PACKAGES := schemas topology producers consumers infra lastunit_client
# Two for each core: tests on real servers wait for half of their time. Each process has servers of its own.
PYTEST = $(BIN)/pytest --numprocesses $$($(BIN)/python -c 'import os; print(2 * os.cpu_count())') --maxprocesses 6

.PHONY: help .venv demo up down clean fmt check test test-all model faults chaos-saga chaos-shoppers browser screenshots alerts asyncapi clients registry tools docs wheel client-wheel lock bench soak

help: ## Show this list
	@awk -F ':.*## ' '/^## / {print "\n" substr($$0, 4)} \
	  /^[-.a-z]+:.*## / && $$1 != "help" {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## Use it

# SEED=n and STOCK_FACTOR=x choose the race, TERMS=ship_available lets orders go on with what is there, JSON=1 prints one line.
demo: .venv/.codec ## A race for the last units, and its books: ORDERS=n or =FILE.csv
	@$(BIN)/lastunit demo $(if $(ORDERS),--orders $(ORDERS)) $(if $(STOCK_FACTOR),--stock-factor $(STOCK_FACTOR)) \
	  $(if $(SEED),--seed $(SEED)) $(if $(TERMS),--terms $(TERMS)) $(if $(JSON),--json)

up: .venv/.codec ## Start the whole system here and keep it running
	@$(BIN)/lastunit up

down: .venv/.runtime ## Stop a running system, keep its data
	@$(BIN)/lastunit down

clean: ## Stop a running system, delete its data and all caches here
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m infra.local.stack.clean; else rm -rf .lastunit; fi
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	@find $(wildcard $(PACKAGES) docs tests) -name __pycache__ -type d -prune -exec rm -rf {} +

## Develop it

fmt: .venv ## Format the code and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: .venv ## Format, lint, types, imports, contracts, documents up to date
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --strict $(PACKAGES) docs tests
	$(BIN)/lint-imports
	$(BIN)/python -m schemas.codec.check
	$(BIN)/python -m consumers.diagrams --check
	$(BIN)/python -m docs.tools.reference --check
	$(BIN)/python -m docs.tools.dashboards --check
	$(BIN)/pytest --quiet --no-header tests/unit/test_documents.py tests/unit/infra/test_migrations.py

test: .venv ## What a change must pass; ARGS="-m 'not stack'": quick ones
	@$(PYTEST) --dist load $(ARGS)

test-all: .venv ## Every test with all its samples, before a release
	@TESTS=all $(PYTEST) --dist load $(ARGS)

model: .venv ## Random cases of the saga in memory, judged: CASES=n SEED=n
	@$(BIN)/python -m tests.model $(if $(CASES),--cases $(CASES)) $(if $(SEED),--seed $(SEED))

faults: .venv ## All crash points, 500 of the model's cases, on real servers
	@TESTS=all $(PYTEST) -m slow --dist load $(ARGS)

chaos-saga: .venv ## Kill every process every few seconds: ORDERS=10000 SEED=n
	@$(BIN)/python -m tests.chaos $(if $(ORDERS),--orders $(ORDERS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

chaos-shoppers: .venv ## Shoppers buy while every process is killed: SHOPPERS=1000 SEED=n
	@$(BIN)/python -m tests.chaos.shoppers $(if $(SHOPPERS),--shoppers $(SHOPPERS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

alerts: tools-prometheus ## Test the alert rules, firing and quiet, with promtool
	@cd infra/deploy/prometheus && export PATH="$$PATH:$(CURDIR)/$(UNPACKED)/usr/bin" && \
	  promtool check rules alerts.yml && promtool test rules alerts_test.yml

browser: tools-browser ## Test the pages in Chromium, at each width and in both schemes
	@TESTS=all $(BIN)/pytest tests/browser $(ARGS)

# Chromium and playwright come by `make tools-browser`.
screenshots: .venv ## Photograph console and shop at work, into docs/pictures
	@$(BIN)/python -m docs.tools.pictures

asyncapi: .venv tools-asyncapi ## Check docs/reference/asyncapi.yaml with AsyncAPI's own parser
	@$(BIN)/pytest tests/asyncapi $(ARGS)

clients: tools-clients ## Test the programs of docs/clients
	@$(BIN)/pytest tests/stack/test_foreign_programs.py -m release $(ARGS)

registry: tools-registry ## Register our schemas in Apicurio Registry
	@$(BIN)/pytest tests/stack/test_schema_registry.py -m release $(ARGS)

docs: .venv ## Write generated documents anew, build the site in .lastunit/docs
	@$(BIN)/python -m consumers.diagrams
	@$(BIN)/python -m docs.tools.reference
	@$(BIN)/python -m docs.tools.dashboards
	@$(BIN)/python -m docs.tools.site .lastunit/docs

wheel: .venv ## Build lastunit as a wheel with one top-level name, in dist/
	@$(BIN)/python -m pip wheel --disable-pip-version-check --quiet --no-deps --no-build-isolation --wheel-dir dist .

client-wheel: .venv ## Build lastunit-client for other systems, in dist/
	@$(BIN)/python -m docs.tools.client_wheel dist

lock: .venv ## Resolve the newest allowed versions into the locks
	@$(BIN)/uv pip compile pyproject.toml --group build --extra shop --extra api --extra tracing $(LOCK) --output-file requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --group build --group dev --extra shop --extra api --extra tracing --constraint requirements.lock $(LOCK) \
	  --output-file requirements-dev.lock
	@$(BIN)/uv pip compile --group bench --no-emit-package numpy --no-emit-package scipy $(LOCK) \
	  --output-file tests/benchmarks/requirements.lock
	@$(BIN)/uv pip compile --group browser $(LOCK) --output-file tests/browser/requirements.lock
	@$(BIN)/python -m infra.local.stack.jarlock

LOCK := --universal --python-version 3.11 --upgrade --generate-hashes --no-header --no-annotate --quiet

# What tests skip without. Each part is installed or not by itself (--keep-going); none starts a service. As root, since Chromium
# and C libraries are the system's packages; what only tests run is unpacked below .lastunit, by anybody.
UNPACKED := .lastunit/tools
TOOLS_OF_TEST := tools-browser tools-asyncapi tools-prometheus tools-varnish
.PHONY: tools-test $(TOOLS_OF_TEST) tools-clients tools-registry

tools: ## Install what tests skip without: Chromium, Varnish, Prometheus ...
	@$(MAKE) --keep-going $(TOOLS_OF_TEST) tools-clients tools-registry

tools-test:
	@$(MAKE) --keep-going $(TOOLS_OF_TEST)

# $(call debian,CHECK,PACKAGES), and $(call npm,FOLDER OF package.json,FOLDER)
debian = $(1) || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2); } >&2
npm = mkdir -p $(2) && cp $(1)/package*.json $(2)/ && cd $(2) && npm ci --ignore-scripts --no-audit --no-fund --silent

# Chromium is the system's package, as browsers are updated with the system.
tools-browser: .venv
	@$(call debian,command -v chromium >/dev/null,chromium)
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --require-hashes -r tests/browser/requirements.lock
	@$(call npm,tests/browser,.lastunit/browser)

tools-asyncapi:
	@command -v npm >/dev/null || { echo "AsyncAPI's parser needs Node.js 18 or newer, with npm." >&2; exit 1; }
	@$(call npm,tests/asyncapi,.lastunit/asyncapi)

tools-prometheus: .venv
	@command -v promtool >/dev/null || test -x $(UNPACKED)/usr/bin/promtool || $(BIN)/python -m tests.harness.debian $(UNPACKED) prometheus

tools-varnish: .venv
	@command -v varnishd >/dev/null || test -x $(UNPACKED)/usr/sbin/varnishd || $(BIN)/python -m tests.harness.debian $(UNPACKED) varnish

# Node with npm and Go are left out where they are missing; their tests say so.
tools-clients: .venv
	@$(call debian,command -v kcat >/dev/null && pkg-config --exists rdkafka avro-c 2>/dev/null, \
	  curl gcc libc6-dev pkg-config kcat librdkafka-dev libavro-dev)
	@! command -v npm >/dev/null || { $(call npm,docs/clients/node,.lastunit/clients/node); }
	@! command -v go >/dev/null || { cd docs/clients/go && go mod download; }
	@$(BIN)/python -m tests.harness.maven docs/clients/java/jars.lock .lastunit/clients/java

# Apicurio Registry, 160 MB
tools-registry: .venv
	@$(BIN)/python -m tests.harness.maven tests/harness/registry.lock .lastunit/registry

## Measure it

# hot-sku zipf saga load latency curve failover growth read buy publish. Each prints progress, then one line of JSON; plots in .lastunit/bench.
BENCHMARKS := $(addprefix bench-,hot-sku zipf saga load latency curve failover growth read buy publish)
BENCH := .lastunit/bench

bench: $(BENCH)/.installed ## Compare with other designs (an hour); one: make bench-hot-sku
	@PYTHONPATH=$(BENCH)/site $(BIN)/python -m tests.benchmarks $(ARGS)

.PHONY: $(BENCHMARKS)
$(BENCHMARKS): bench-%: $(BENCH)/.installed
	@PYTHONPATH=$(BENCH)/site $(BIN)/python -m tests.benchmarks.$(subst -,_,$*) $(ARGS)

soak: .venv ## 30 minutes at half of the capacity: ARGS="--minutes 5"
	@$(BIN)/python -m tests.benchmarks.soak $(ARGS)

# --- packages --------------------------------------------------------------------------------------------------------------

.venv: .venv/.complete .venv/.codec

# Locked by hash. What the system runs with comes first, what develops and tests it on top. A stamp is written last, so an
# interrupted installation is taken up again. Nothing is silent for longer than five seconds.
ticking = ( began=$$SECONDS; while sleep 4; do \
	     echo "  $$((SECONDS - began)) s, $$(du -smD .venv | cut -f1) MB in .venv" >&2; done ) & ticker=$$!; \
	  trap "kill $$ticker" EXIT;

define install
	@echo "Installing $$(grep -c '==' $(1)) locked packages into .venv ($(2))"
	@$(ticking) $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --quiet --require-hashes -r $(1)
endef

.venv/.runtime: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Lastunit needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
	       "Name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/pip || { echo "Creating .venv"; mkdir -p .venv; $(ticking) $(PYTHON) -m venv .venv; }
	$(call install,requirements.lock,what it runs with)
	@$(ticking) $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.complete: .venv/.runtime requirements-dev.lock
	$(call install,requirements-dev.lock,what develops and tests it as well)
	@touch $@

# Messages are encoded by C where there is a compiler (a second of its time), by Python otherwise.
.venv/.codec: .venv/.runtime schemas/codec/flat.c schemas/codec/build.py
	@$(BIN)/python -m schemas.codec.build
	@touch $@

# The baselines' packages stay out of .venv, since some of them want other versions of ours.
$(BENCH)/.installed: .venv/.complete .venv/.codec tests/benchmarks/requirements.lock tests/benchmarks/baselines/restate/package-lock.json
	@echo "Installing the baselines' packages into $(BENCH)" >&2
	@rm -rf $(BENCH)/site && mkdir -p $(BENCH)/npm
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --quiet --no-deps --require-hashes \
	  --target $(BENCH)/site -r tests/benchmarks/requirements.lock
	@cp tests/benchmarks/baselines/restate/package*.json $(BENCH)/npm/
	@if command -v npm >/dev/null; then cd $(BENCH)/npm && npm ci --ignore-scripts --no-audit --no-fund --silent; \
	 else echo "There is no npm here, so the comparison with Restate will be skipped." >&2; fi
	@touch $@
