.DEFAULT_GOAL := help
.PHONY: help run test lint bench schemas alerts

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## serve on a fresh data directory and play a simulated Provet organisation against it
	cargo build --no-default-features
	cargo run --quiet --no-default-features -- demo

test: alerts ## install what the tests need, then run all of them
	cargo test --workspace

lint: ## formatting, clippy, dependencies, and whether the committed schemas are fresh
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	ops/check-dependencies
	@$(MAKE) --no-print-directory schemas
	@git diff --exit-code -- schemas && test -z "$$(git ls-files --others --exclude-standard -- schemas)" \
		|| { echo 'schemas/ differs from what the code says: commit what `make schemas` wrote' >&2; exit 1; }

bench: ## measure: needs wrk, minutes, and a machine that does nothing else
	ops/install-test-tools
	cargo bench -p acceptance

schemas: ## write the generated JSON Schemas, OpenAPI and AsyncAPI documents to schemas/
	cargo run --quiet -- schemas schemas

alerts: ## check the Prometheus configuration, and test each alert, firing and not firing
	ops/install-test-tools
	promtool check config ops/prometheus/prometheus.yml
	promtool test rules ops/prometheus/rules_test.yml
