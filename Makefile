# Two commands matter: `make demo` and `make test`. Both set up what they need; logs go to .local/

.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
PYTHON := $(BIN)/python
READY := $(VENV)/.ready

CARGO_DENY_VERSION := 0.20.2
# under target, so that a linked cache keeps it
TOOLS := target/tools
CARGO_DENY := $(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny

# built as the functions are, so that it shares what they compiled
CLI := target/lambda/ghostnet/bootstrap

# cargo-lambda and zig are in the venv; an absolute target folder would break `sam build`
export PATH := $(BIN):$(PATH)
unexport CARGO_TARGET_DIR
export SAM_CLI_TELEMETRY := 0
# only for tools that will not start without one; nothing here talks to AWS
export AWS_DEFAULT_REGION ?= us-east-1

LINTED_TEMPLATES := template.yaml $(wildcard infra/*/*.yaml)
LINTED_TEMPLATES := $(filter-out infra/fleets/% infra/demo/fleet.yaml infra/demo/failover.yaml infra/local/ahead.yaml infra/local/modes.yaml,$(LINTED_TEMPLATES))

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-16s %s\n", $$1, $$2 }'

# --- run -------------------------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(READY) ## a fleet grows and shrinks in a local AWS, and traffic leaves a dead side, as a timeline
	@$(PYTHON) infra/demo/demo.py

.PHONY: explain
explain: $(READY) ## what the last demo decided, and why
	@$(PYTHON) infra/demo/demo.py --explain

.PHONY: local-up
local-up: $(READY) ## start the local AWS with the stack deployed, and print how to use it
	@$(PYTHON) infra/local/local_aws.py up

.PHONY: local-exports
local-exports: $(READY) ## print how to use the local AWS again
	@$(PYTHON) infra/local/local_aws.py exports

.PHONY: local-down
local-down: $(READY) ## stop what local-up started
	@$(PYTHON) infra/local/local_aws.py down

# --- build -----------------------------------------------------------------------------------------------------------

.PHONY: setup
setup: $(READY) ## make .venv with the pinned tools

$(READY): infra/local/requirements.txt
	@echo "setting up $(VENV) (about two minutes the first time)" >&2
	@python3 -m venv "$$(readlink -f $(VENV))" # venv refuses a link
	@$(BIN)/pip install --quiet --disable-pip-version-check --requirement infra/local/requirements.txt
	@touch $@

.PHONY: build
build: $(READY) ## build the functions for `sam deploy`
	sam build

.PHONY: cli
cli: $(READY) ## build the command line: target/lambda/ghostnet/bootstrap
	@cargo lambda build --release --locked --bin ghostnet

.PHONY: fmt
fmt: ## format the code
	cargo fmt --all

.PHONY: clean
clean: ## remove what was built; keeps .venv
	@if [ -x $(PYTHON) ]; then $(PYTHON) infra/local/local_aws.py down; fi
	rm -rf .aws-sam .local
	cargo clean

# --- check -----------------------------------------------------------------------------------------------------------

.PHONY: test
test: check-format check-templates lint check-tests contract-local docs deny e2e swarm ## everything that CI runs
	@echo "[ok] make test: everything passed"

.PHONY: check-format
check-format:
	cargo fmt --all --check

.PHONY: lint
lint: ## clippy, no warnings allowed
	cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: check-tests
check-tests:
	cargo test --workspace --locked

.PHONY: contract-local
contract-local: $(READY) ## the contract of the ports, played by the AWS adapters before the local AWS
	@$(PYTHON) infra/local/contract.py

.PHONY: docs
docs: ## build the code's documentation, no warnings allowed
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace --locked

.PHONY: check-templates
check-templates: $(READY) ## lint the templates
	sam validate --lint --template template.yaml
	cfn-lint $(LINTED_TEMPLATES)
	for template in $(LINTED_TEMPLATES); do checkov --file "$$template"; done

$(CARGO_DENY):
	@echo "installing cargo-deny $(CARGO_DENY_VERSION) (about four minutes, once)" >&2
	cargo install --quiet --locked --root $(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION) cargo-deny@$(CARGO_DENY_VERSION)

.PHONY: deny
deny: $(CARGO_DENY) ## licences, bans, sources; advisories where their database can be reached
	$(CARGO_DENY) --locked check --hide-inclusion-graph bans licenses sources
	@if timeout 60 $(CARGO_DENY) --locked fetch db 2> target/deny-fetch.log; then \
		$(CARGO_DENY) --locked check --hide-inclusion-graph advisories; \
	else \
		echo "NOT CHECKED: advisories, because the RustSec database cannot be reached from here (target/deny-fetch.log)" >&2; \
	fi

.PHONY: e2e
e2e: $(READY) ## the deployed functions against the local AWS: from alarm to terminated instance, and each mode of failover
	@$(PYTHON) infra/local/e2e.py

.PHONY: swarm
swarm: cli ## the invariants in simulated worlds: those that once broke, and 500 that nobody has seen
	@$(CLI) swarm --regressions --fresh 500

SOAK_MINUTES := 60
.PHONY: soak
soak: cli ## fresh worlds for an hour, in chunks; SOAK_MINUTES says for how long
	@end=$$(( $$(date +%s) + 60 * $(SOAK_MINUTES) )); chunk=0; broken=0; \
	while [ $$(date +%s) -lt $$end ]; do \
		chunk=$$(( chunk + 1 )); echo "soak: chunk $$chunk, $$broken broken before" >&2; \
		$(CLI) --json swarm --fresh 1000 > target/soak.json || { broken=$$(( broken + 1 )); cat target/soak.json; }; \
	done; rm -f target/soak.json; [ $$broken = 0 ]
	cargo test --release --locked --package ghostnet-sim --test protocol -- --ignored

.PHONY: leaderboard
leaderboard: ## every policy on the public traces, held to what is published and as docs/leaderboard.md; a quarter of an hour
	cargo test --release --locked --package ghostnet-backtest --test public -- --ignored
	cargo run --release --locked --package ghostnet-backtest --example leaderboard > target/leaderboard.md
	@if [ -s target/leaderboard.md ]; then sed "s/^Made by/Made on $$(date +%F) by/" target/leaderboard.md > docs/leaderboard.md; fi

.PHONY: bench
bench: ## how fast, how small, how many calls
	cargo bench --locked --package ghostnet-core --bench decide
	cargo bench --locked --package ghostnet-sim --bench swarm
	cargo bench --locked --package ghostnet-backtest --bench backtest
	cargo bench --locked --package ghostnet-aws --bench failover
	@$(PYTHON) infra/local/bench.py
