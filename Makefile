# Every verb is what it says. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help run watch lint check test test-all bench rivals fuzz build deploy destroy fmt clean
MAKEFLAGS += --no-print-directory
export STARTED := $(shell date +%s)

BIOME := tests/node_modules/.bin/biome
step := @tools/step
ARCHITECTURE := arm64

help: ## what there is to do
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-8s %s\n", $$1, $$2 }'

run: ## the site, the API and the gate on http://127.0.0.1:8080
	@tools/first-build
	@cargo run

watch: ## the functions as Lambda runs them, on http://127.0.0.1:9000 (needs NOCODB_… in the environment)
	@tools/watch

check: ## format, types, clippy, and the tests that need no server: before each commit, in three minutes
	@tools/loop check

test: ## every behaviour once, in front of every real part: what continuous integration runs
	@tools/loop test

test-all: ## everything, in every way: before a release, in an hour
	@tools/loop test-all

bench: ## how fast, how heavy, how large, beside rivals; rewrites the table in docs/performance.md
	$(step) "tools: system packages" tools/system
	$(step) "tools: npm packages" tools/node-modules
	$(step) "tools: moto" tools/lambda true
	$(step) "tools: NocoDB" tools/nocodb
	$(step) "tools: other sites' scripts" tests/rivals/install >/dev/null
	$(step) "build: what is measured, in release" benches/build
	$(step) "measure, on 127.0.0.1 only" env DB_QUERY_LIMIT_MAX=100 tests/nocodb/with-server node benches/bench.mjs

rivals: ## what other libraries make of nine situations, beside lastseen.js
	$(step) "tools: system packages" tools/system
	$(step) "tools: npm packages" tools/node-modules
	@node tests/rivals/print.mjs

fuzz: ## half an hour of any input at all, for what reads what anybody sends
	$(step) "tools: system packages" tools/system
	$(step) "properties, 20,000 cases each" env PROPTEST_CASES=20000 cargo test --workspace --all-features --quiet --test properties
	$(step) "faults in front of a real NocoDB, stories that nobody has heard" env FAULT_SEED=any FAULT_STORIES=5 tests/nocodb/with-server cargo test --workspace --all-features --quiet --test nocodb
	$(step) "fuzz targets, 7 minutes each" tools/fuzz 420

build: ## the functions as Lambda takes them, in target/sam/arm64 (ARCHITECTURE=x86_64: for that)
	$(step) "tools: cargo-lambda and SAM" tools/lambda true
	$(step) "build: functions for $(ARCHITECTURE)" tools/functions $(ARCHITECTURE)
	$(step) "check: one small program for each, for that machine" env BUILT=$(ARCHITECTURE) node --test tests/lambda/built.test.mjs

deploy: ## everything on AWS, made or brought up to date (docs/deploying.md)
	@tools/deploy

destroy: ## takes it down again, with CONFIRM=stack-name
	@tools/destroy

fmt: ## formats Rust, JavaScript and CSS
	$(step) "tools: npm packages" tools/node-modules
	$(step) "format: Rust" cargo fmt --all
	$(step) "format: fuzz targets" cargo fmt --manifest-path fuzz/Cargo.toml
	$(step) "format: JavaScript, CSS" $(BIOME) check --write .
	$(step) "template: the edge's functions" tools/edge-functions
	$(step) "script: what ships, of static/src" node tools/script.mjs
	$(step) "the API's description" tools/openapi

lint: ## format, types, clippy
	@tools/loop lint

clean: ## removes what was built here (tools stay in ~/.cache/lastseen)
	rm -rf target tests/node_modules
