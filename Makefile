# Every target does its own set-up. On a fresh Debian machine git, make and
# Python 3.11 or newer are enough; see scripts/ for what is installed and how.

# Tests fork servers that run as another user; gRPC's fork handlers may then wait for ever.
export GRPC_ENABLE_FORK_SUPPORT := 0

.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin
PROTO := $(shell find proto -name '*.proto')
STUBS := src/clients/mintgate/v1
SERVER := .venv/.server
DEV := .venv/.dev
FUZZ := .venv/.fuzz
BENCH := .venv/.bench
BUF := tools/buf/node_modules/.installed
SDK_NODE := tests/sdk_node/node_modules/.installed
TESTS ?= tests

.PHONY: help run demo test chaos fuzz check bench bench-profile bench-quick bench-scale docs proto format lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

run: $(SERVER) ## the gateway in the foreground
	@$(BIN)/mintgate up

demo: $(DEV) ## the whole loop with the real SDKs, step by step, then exit 0
	@$(BIN)/python examples/demo.py

test: $(DEV) $(SDK_NODE) ## every test
	@scripts/servers
	$(BIN)/python -m pytest -n 3 $(TESTS)

chaos: $(DEV) ## kills, freezes and database restarts under load; SEED=n repeats a run
	@scripts/servers
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED))

fuzz: $(FUZZ) ## what parses under a fuzzer that coverage guides; SECONDS=n of each TARGET, or of one
	$(BIN)/python -m tests.fuzz $(if $(SECONDS),--seconds $(SECONDS)) $(if $(TARGET),--target $(TARGET))

check: $(DEV) $(BUF) ## format, lint, types, protocol files, the page of routes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	scripts/buf lint
	scripts/buf breaking --against proto/baseline.binpb
	@scripts/stubs check
	@$(BIN)/python scripts/providers_page.py check

bench: $(DEV) ## gateways side by side: throughput, added latency, memory, overspend
	@scripts/servers bench
	@scripts/peers
	$(BIN)/python -m bench

bench-profile: $(BENCH) ## where the processor time of facade and core goes
	@scripts/servers bench
	$(BIN)/python -m bench.profile

bench-quick: $(DEV) ## the ratio to a plain proxy in Python, against the stored one; under two minutes
	@scripts/servers bench
	@$(BIN)/python -m bench.quick

bench-scale: $(DEV) ## growth with keys, open streams, events and wallets
	@scripts/servers bench
	$(BIN)/python -m bench.scale

docs: $(DEV) ## write docs/providers.md from the route tables
	$(BIN)/python scripts/providers_page.py write

proto: $(DEV) $(BUF) ## generate the stubs again
	scripts/buf lint
	scripts/stubs write

format: $(DEV) ## let the tools write
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## resolve the dependencies again; needs uv
	scripts/lock

clean: ## remove what the targets made
	rm -rf .venv tools/buf/node_modules tests/sdk_node/node_modules bench/peers/.installed .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(SERVER): requirements/server.txt pyproject.toml
	@scripts/venv requirements/server.txt
	@touch $@

$(DEV): requirements/dev.txt pyproject.toml
	@scripts/venv requirements/dev.txt
	@touch $@ $(SERVER)

$(FUZZ): requirements/fuzz.txt $(DEV)
	@scripts/venv requirements/fuzz.txt
	@touch $@

$(BENCH): requirements/bench.txt $(DEV)
	@scripts/venv requirements/bench.txt
	@touch $@

$(BUF): tools/buf/package.json tools/buf/package-lock.json
	@scripts/node
	cd tools/buf && npm ci --no-fund --no-audit
	@touch $@

# The SDKs want a newer Node than Debian may have. It is installed beside them and runs them;
# the machine's only runs npm, whose warnings about its own age would say nothing.
$(SDK_NODE): tests/sdk_node/package.json tests/sdk_node/package-lock.json
	@scripts/node
	cd tests/sdk_node && npm ci --no-fund --no-audit --ignore-scripts --loglevel=error
	@touch $@
