# The commands of this project. Each sets up what it needs, and skips what is done already.

# Node 24 comes from npm, whatever Node the machine has.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
cluster := node test/cluster/main.ts

.DEFAULT_GOAL := help
.PHONY: help demo demo-down test test-unit lint binaries bench soak

help: ## this list
	@awk -F ': .*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: node_modules/.package-lock.json ## a cluster with Postgres and a pool in front of it (root, Debian)
	@$(cluster) demo

demo-down: node_modules/.package-lock.json ## ends the demo and leaves nothing behind
	@$(cluster) down

test: node_modules/.package-lock.json ## every test, on a cluster of its own (root, Debian)
	@$(cluster) check
	@$(MAKE) --no-print-directory lint
	@$(cluster) test

test-unit: node_modules/.package-lock.json ## the tests that need neither root nor a cluster
	npm run --silent test:unit

lint: node_modules/.package-lock.json ## types, style, and whether generated files are up to date
	npm run --silent typecheck
	npm run --silent lint
	npm run --silent generate:check

binaries: node_modules/.package-lock.json ## etcd, kube-apiserver and the other programs of a cluster
	@$(cluster) binaries

bench: binaries ## how fast 1,000 and 5,000 pools converge beside the API server's limit; one edit among 500 of a server
	npm run --silent bench

soak: export SPILLWAY_SOAK_SECONDS ?= 3600
soak: node_modules/.package-lock.json ## the ledger under faults, an hour in the simulator and one on a cluster; all drivers (root, Debian)
	npm run --silent soak
	@$(cluster) test test/e2e/invariant.test.ts
	@$(cluster) soak

node_modules/.package-lock.json: package-lock.json
	@command -v npm > /dev/null || { echo 'npm is missing: install Node 20 or newer, which brings it.' >&2; exit 1; }
	npm ci --no-audit --no-fund
	@touch $@
