# Every verb is what it says. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help run watch check test bench rivals fuzz build deploy destroy fmt lint clean
MAKEFLAGS += --no-print-directory
export STARTED := $(shell date +%s)
export MAKE_PID := $(shell echo $$PPID)

BIOME := tests/node_modules/.bin/biome
TSC := tests/node_modules/.bin/tsc
# A file of tests takes two minutes at most; what hangs is ended, and says so.
NODE_TEST := node --test --test-timeout=600000 --test-force-exit --test-reporter=$(if $(MAKE_TERMOUT),spec,tap)
# For files that leave nothing open: Node 20, forced to exit, may leave out of its report what it has just run (seen with
# many quick tests; a failure still fails).
NODE_TEST_WHOLE := $(filter-out --test-force-exit,$(NODE_TEST))
# For files that wait more than they compute; Node itself runs one at a time on two processors.
NODE_TEST_PAIRS := $(NODE_TEST) --test-concurrency=2
step := @tools/step
ARCHITECTURE := arm64

help: ## what there is to do
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-7s %s\n", $$1, $$2 }'

run: ## the site, the API and the gate on http://127.0.0.1:8080
	@tools/first-build
	@cargo run

watch: ## the functions as Lambda runs them, on http://127.0.0.1:9000 (needs NOCODB_… in the environment)
	@tools/watch

test: ## everything there is to test, with the tools it needs installed first
	$(step) "tools: system packages" tools/system
	$(step) "tools: npm packages" tools/node-modules
	$(step) "tools: cargo-lambda, SAM and moto" tools/lambda true
	$(step) "tools: checkov" tools/checkov --version
	$(step) "tools: schemathesis" tools/schemathesis --version
	$(step) "tools: NocoDB" tools/nocodb
	$(step) "tools: Astro" tests/astro/install >/dev/null
	$(step) "tools: cargo-deny" tools/cargo-deny --version
	$(step) "format: Rust" cargo fmt --all --check
	$(step) "format: fuzz targets" cargo fmt --manifest-path fuzz/Cargo.toml --check
	$(step) "format and lint: JavaScript, CSS, HTML" $(BIOME) check --error-on-warnings .
	$(step) "types: JavaScript of the site" $(TSC) -p tests/tsconfig.static.json
	$(step) "types: JavaScript of the tests" $(TSC) -p tests/tsconfig.json
	$(step) "template: the edge's functions" tools/edge-functions --check
	$(step) "template: sam validate" tools/lambda sam validate --lint --region us-east-1
	$(step) "dependencies: licences, sources, advisories" tools/dependencies
	$(step) "lint: clippy" cargo clippy --workspace --all-features --all-targets --quiet -- -D warnings
	$(step) "build: everything" cargo build --workspace --all-features --all-targets --quiet
	$(step) "build, meanwhile: the functions for arm64, without optimising" tools/meanwhile start functions tools/functions arm64 quickly
	$(step) "tests: Rust, beside a real NocoDB server" tests/nocodb/with-server cargo test --workspace --all-features --quiet
	$(step) "tests: readers of what anybody sends, fuzzed for a moment" tools/fuzz 10
	$(step) "tests: the API of lastseen serve, on SQLite and on NocoDB" tests/nocodb/with-server $(NODE_TEST_PAIRS) tests/api/*.test.mjs
	$(step) "tests: the sums and promises of the docs, and what reports advisories" $(NODE_TEST_WHOLE) tests/tools/*.test.mjs
	$(step) "tests: the gate at the edge" $(NODE_TEST_WHOLE) tests/edge/*.test.mjs
	$(step) "tests: attacks on lastseen serve" $(NODE_TEST) tests/attacks/serve.test.mjs
	$(step) "tests: lastseen serve under load" $(NODE_TEST) tests/load/*.test.mjs
	$(step) "tests: lastseen serve, killed, in front of a NocoDB that comes and goes" tests/nocodb/with-server $(NODE_TEST) tests/faults/*.test.mjs
	$(step) "tests: the visit in a real browser, on SQLite and on NocoDB" tests/nocodb/with-server $(NODE_TEST) tests/browser/journey.test.mjs
	$(step) "tests: the owner's dashboard beside a visitor, on SQLite and on NocoDB" tests/nocodb/with-server $(NODE_TEST) tests/browser/dashboard-live.test.mjs
	$(step) "tests: the script and the demo site in real browsers" $(NODE_TEST) $(filter-out %/journey.test.mjs %/dashboard-live.test.mjs,$(wildcard tests/browser/*.test.mjs)) tests/rivals/*.test.mjs
	$(step) "tests: the script on an Astro site" $(NODE_TEST) tests/astro/*.test.mjs
	$(step) "tests: deployment, on an AWS account of their own; a site of one's own behind nginx; attacks on the functions, in front of a real NocoDB" tests/nocodb/with-server $(NODE_TEST_PAIRS) tests/attacks/watch.test.mjs tests/deploy/*.test.mjs tests/recipes/*.test.mjs
	$(step) "build: the functions, which should be there by now" tools/meanwhile wait functions
	$(step) "tests: one scenario, the same answers from serve, watch and the functions; the functions as Lambda runs them; the template" tests/nocodb/with-server $(NODE_TEST_PAIRS) tests/scenario/*.test.mjs tests/lambda/*.test.mjs
	@cat target/logs/unchecked 2>/dev/null || true

bench: ## how fast, how heavy, how large, beside rivals; rewrites the table in docs/performance.md
	$(step) "tools: system packages" tools/system
	$(step) "tools: npm packages" tools/node-modules
	$(step) "tools: moto" tools/lambda true
	$(step) "tools: NocoDB" tools/nocodb
	$(step) "tools: other sites' scripts" tests/rivals/install >/dev/null
	$(step) "build: what is measured, in release" benches/build
	$(step) "measure, on 127.0.0.1 only" tests/nocodb/with-server node benches/bench.mjs

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
	$(step) "check: one small program for each, for that machine" env BUILT=$(ARCHITECTURE) $(NODE_TEST) tests/lambda/built.test.mjs

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
	$(step) "the API's description" tools/openapi

check: lint ## format, types, clippy and all tests that need no server: before each commit
	$(step) "tests: Rust, all but those that need a real NocoDB" cargo test --workspace --all-features --quiet

lint: ## what the tests check before they run anything
	$(step) "tools: npm packages" tools/node-modules
	$(step) "format: Rust" cargo fmt --all --check
	$(step) "format: fuzz targets" cargo fmt --manifest-path fuzz/Cargo.toml --check
	$(step) "format and lint: JavaScript, CSS, HTML" $(BIOME) check --error-on-warnings .
	$(step) "types: JavaScript of the site" $(TSC) -p tests/tsconfig.static.json
	$(step) "types: JavaScript of the tests" $(TSC) -p tests/tsconfig.json
	$(step) "template: the edge's functions" tools/edge-functions --check
	$(step) "lint: clippy" cargo clippy --workspace --all-features --all-targets --quiet -- -D warnings

clean: ## removes what was built here (tools stay in ~/.cache/lastseen)
	rm -rf target tests/node_modules
