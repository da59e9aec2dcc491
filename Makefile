# `make run` starts the system, `make test` tests it; both need nothing but Python ≥ 3.11 and make.
.PHONY: help run token backup restore demo test test-faults coverage test-foreign tools soak chaos lint bench-logs bench-evaluations bench-models bench-console screenshots lock audit licences clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := aria2 ceph-mon ceph-osd chromium curl default-jdk-headless docker-compose jq libarchive-tools nginx p7zip-full \
	prometheus radosgw unzip wget

help: ## list the targets
	@echo "usage: make TARGET"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  %-18s %s\n", $$1, $$2 }'

# The requirements are installed again only when their file changed, so that a second start uses no network.
# -qq leaves out pip's warnings, which are about the machine's configuration, and keeps its errors.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, set PYTHON=")'
	@echo "Installing $(2) ($(1)) into $(VENV): once, about $(3) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r $(1)
	@touch $@
endef

$(VENV)/run.stamp: requirements/run.txt
	$(call install,$<,the services' packages and the servers,a minute)

$(VENV)/test.stamp: requirements/test.txt
	$(call install,$<,what the tests need,two minutes)

run: $(VENV)/run.stamp ## start the whole system on http://localhost:8080, until Ctrl-C
	@exec $(BIN)/python -m run

# Only what is given here, not what the environment happens to have.
token: $(VENV)/run.stamp ## list the tokens; NAME= SCOPES= DAYS= makes one, REVOKE= removes one
	@$(BIN)/python -m run.token $(foreach name,NAME SCOPES DAYS REVOKE,$(if $(filter command%,$(origin $(name))),'$(name)=$($(name))'))

# Where the databases and the store are not those of `make run`, by the same variables as there.
backup: $(VENV)/run.stamp ## back up all databases and objects while the system runs (TO=folder)
	@$(BIN)/python -m run.backup 'TO=$(TO)'

restore: $(VENV)/run.stamp ## put a backup in the place of what there is (FROM=folder)
	@$(BIN)/python -m run.restore 'FROM=$(FROM)'

demo: $(VENV)/run.stamp ## the seven steps of the workflow against what `make run` has started
	@$(BIN)/python -m run.demo

test: lint ## lint, types and all tests but those of faults, the slow and the foreign ones
	$(BIN)/python -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder -m 'not soak and not faults'

# They wait more than they work.
test-faults: $(VENV)/test.stamp ## tests that kill, hang and cut off what is under test, and those of the whole system
	$(BIN)/python -m pytest -q -n 4 --dist loadfile -m 'faults and not soak'

# Every process that the tests start is measured; what one that was killed ran since it last saved is lost.
coverage: export GUNICORN_CMD_ARGS := --worker-class tests.support.measured_worker.MeasuredWorker
coverage: $(VENV)/test.stamp ## both together, with the branch coverage of all that they start: 95 % at least
	rm -rf .data/coverage
	$(BIN)/python -m coverage run -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --timeout 1200 \
		-p tests.support.measured_session
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage report

# A program that is missing fails its test, none is skipped. Then the tests of the models service once more, over
# another S3 server.
test-foreign: $(VENV)/test.stamp ## the tests that want foreign programs (`make tools` installs those)
	$(BIN)/python -m pytest -q --timeout 1200 tests/foreign
	STORE=ceph $(BIN)/python -m pytest -q -n 3 --dist loadfile -k 'not postgresql' \
		-m 'not soak and not keeps_checksums' tests/models

tools: ## install the foreign programs (Debian, as root)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(TOOLS)
	command -v npm || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nodejs npm
	npm ci --silent --no-audit --no-fund

soak: $(VENV)/test.stamp ## the slow proofs: minutes of churn and faults
	$(BIN)/python -m pytest -q --timeout 0 -m soak tests tests/foreign

# What the faults are is drawn from SEED, which is printed.
chaos: $(VENV)/test.stamp ## churn and faults under the logs service (SEED=, MINUTES=)
	SEED=$(SEED) MINUTES=$(MINUTES) $(BIN)/python -m pytest -q -s --timeout 0 -m soak tests/logs/faults/test_chaos.py

lint: export PYTHONPATH := .:client
lint: $(VENV)/test.stamp ## style, import contracts, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# Ratios to nchan, to the bare database, to Flask; needs nginx, libnginx-mod-nchan and wrk, and a quiet machine.
bench-logs: $(VENV)/test.stamp ## benchmarks of the logs service
	for name in delivery latency idle ingest reading tokens metrics retention run; do $(BIN)/python -m bench.$$name || exit 1; done

# What an evaluation adds to its inference server's own 50 ms, in time, CPU and memory; needs a quiet machine.
bench-evaluations: $(VENV)/test.stamp ## benchmarks of the evaluation worker
	$(BIN)/python -m bench.evaluation

# Ratios to S3 itself, to minio-py, to a socket copy in Python, to MLflow and to static files; clients are installed by
# the run, into .data. Needs wrk and curl, and a quiet machine.
bench-models: $(VENV)/test.stamp ## benchmarks of the models service
	for name in downloads download_costs mlflow_proxy uploads push_pull listing hub; do $(BIN)/python -m bench.$$name || exit 1; done

# Frames, long tasks, heap and time to be ready, each beside its limit; needs Chromium and a quiet machine.
bench-console: $(VENV)/test.stamp ## benchmarks of the console
	$(BIN)/python -m bench.console

screenshots: $(VENV)/test.stamp ## the README's pictures, made anew by Chromium
	$(BIN)/python -m tests.support.screenshots

# The files name no index: uv writes none unless it is told to. Needs uv.
lock: ## pin every requirement with its hashes
	for name in logs models evaluations run test; do \
		uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-header --no-annotate requirements/$$name.in -o requirements/$$name.txt || exit 1; \
	done
	uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
		tests/foreign/training_clients.in -o tests/foreign/training_clients.txt

# pip-audit asks the registry; --strict, for a registry that knows no advisories would pass for good news. Offline, get
# osv.dev's export of PyPI by other means and give it as ADVISORIES=all.zip.
audit: $(VENV)/run.stamp ## known vulnerabilities of what is pinned (ADVISORIES=file offline)
ifdef ADVISORIES
	$(BIN)/python requirements/audit.py '$(ADVISORIES)'
else
	test -x .data/audit/bin/pip-audit || { $(PYTHON) -m venv .data/audit && .data/audit/bin/pip install -qq pip-audit; }
	for name in logs models evaluations run test; do \
		.data/audit/bin/pip-audit --strict --require-hashes --disable-pip -r requirements/$$name.txt || exit 1; \
	done
endif

licences: $(VENV)/run.stamp ## write docs/licences.md anew
	$(BIN)/python requirements/licences.py > docs/licences.md

clean: ## remove the virtual environment and all state
	rm -rf $(VENV) .data
