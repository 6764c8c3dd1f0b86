# The developer's and CI's entry. `make help` lists the targets.
#
# Everything is built with --release: one profile, so RocksDB, librdkafka and OpenSSL are compiled once (minutes) for
# tests, demo and benchmarks alike; overflow checks stay on in our own code. The target folder lies outside the checkout,
# so that a second clone does not build them again.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/tape/target

SHELL := /bin/bash
.DEFAULT_GOAL := help
export MINUTES ?= 2
export SEED ?=
.PHONY: help up down status deploy-check manifests pods fuzz bench bench-quick bench-backtest bench-counts bench-micro chaos chaos-mutations demo test check fmt deny promtool build install servers stop clean-local

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "make %-12s %s\n", $$1, $$2 }'

demo: ## the whole pipeline on this machine; SECONDS=60: bounded, then checks itself; TAPE=real: a real tape (or TAPE=FILE); Ctrl-C stops, again resumes
	@deploy/local/demo.sh "$(SECONDS)" "$(TAPE)"

up: install ## the pipeline on this machine in the background, without Docker; SOURCE=simulate, coinbase, massive or replay:FILE; a second call mends
	cargo build --release --locked -p tape
	@deploy/local/up.sh start

down: ## stops that pipeline in order, its servers last, and keeps the data
	@deploy/local/up.sh stop

status: ## its roles with pid and health, and `tape status`; fails when something is not well
	@deploy/local/up.sh status

test: ## everything, on a real Kafka and a real PostgreSQL that it starts and stops: format, clippy, tests
	@deploy/local/test.sh

fuzz: install ## coverage-guided fuzzing of what reads bytes from outside; FOR=60: seconds for each target, TARGETS=trade
	@deploy/local/fuzz.sh "$(or $(FOR),60)" $(TARGETS)

chaos: build ## faults for MINUTES=2 on processors, sinks, broker, database, disks and networks; SEED=n: the same schedule again
	@deploy/local/chaos.sh --minutes "$(MINUTES)" $(if $(SEED),--seed "$(SEED)")

chaos-mutations: build ## processors that commit in a wrong order: the crash harness must catch them
	@deploy/local/chaos.sh --mutation state-first,offsets-outside

check: install ## format and clippy only
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings

fmt: ## formats all Rust code
	cargo fmt --all

deny: ## licences, bans and sources of all dependencies (installs cargo-deny beside the target folder: minutes, once)
	@deploy/local/deny.sh

promtool: ## configuration, rules and tests of rules of prometheus/, and where each alert goes, by Prometheus' and Alertmanager's own tools (installs these two)
	@deploy/local/promtool.sh

deploy-check: ## image, compose files, systemd units and every setting that they and the docs name; without Docker, with a built `tape`
	@deploy/local/compose-check.sh
	@deploy/local/units-check.sh
	@deploy/local/settings-check.sh

manifests: build ## the manifests of deploy/k8s: schemas, checkov, our own rules; no cluster (fetches tools, 400 MB, once)
	@deploy/local/manifests.sh

pods: build ## the pods of deploy/k8s as processes, confined and probed as the manifests say, through a restore of two minutes; needs root; five minutes
	@deploy/local/pods.sh

bench: build ## tape beside Kafka Streams and Flink on a real Kafka: throughput, latency, recovery, growth; tens of minutes on a machine with nothing else to do
	@bench/run.sh

bench-quick: build ## the same with fewer records, one round and no growth: 3 minutes, to see that it works; the report goes to .local/quick
	@bench/run.sh --quick --out .local/quick/RESULTS.md

bench-backtest: build ## five million trades through tape backtest, three times: rate, and outputs equal byte by byte
	@bench/backtest.sh

bench-micro: install ## the time that each step of the hot path takes by itself (criterion); ONLY=decode: what has this in its name
	cargo bench --profile release --locked -p tape -p tape-micro --bench micro -- $(ONLY)

bench-counts: ## instructions of each step (valgrind), beside bench/counts.tsv; ONLY=decode: what has this in its name; UPDATE=1: writes the table
	@VALGRIND=1 deploy/local/install.sh
	cargo build --release --locked -p tape -p tape-micro
	@$(CARGO_TARGET_DIR)/release/tape-counts --only "$(ONLY)" $(if $(UPDATE),--update) bench/counts.tsv

build: install ## the release binaries, $(CARGO_TARGET_DIR)/release/tape, the crash harness tape-chaos and tape-bench
	cargo build --release --locked -p tape -p tape-chaos -p tape-bench

install: ## what is missing on this machine (Debian, Ubuntu; root or sudo)
	@deploy/local/install.sh

servers: install ## Kafka and PostgreSQL of the demo; then: . .local/demo/env
	@deploy/local/servers.sh start

stop: ## stops the servers of the demo and keeps their data
	@for dir in .local/demo*; do [ ! -d "$$dir" ] || deploy/local/servers.sh stop "$$dir"; done

clean-local: ## stops the local servers and deletes all their data (keeps the downloaded Kafka)
	@[ ! -d .local/up ] || deploy/local/up.sh stop
	@for dir in .local/up .local/demo* .local/test-* .local/pods-* .local/chaos-*/servers .local/chaos-*/*/servers .local/bench-*/servers; do [ ! -d "$$dir" ] || deploy/local/servers.sh remove "$$dir"; done
	@rm -rf .local/chaos-* .local/bench-*
