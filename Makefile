# `make run` starts the system, `make test` tests it; both need nothing but Python ≥ 3.11 and make.
.PHONY: run demo test lint tools test-foreign soak chaos bench-logs bench-models bench-evaluations lock clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := aria2 ceph-mon ceph-osd chromium curl default-jdk-headless docker-compose jq libarchive-tools nginx p7zip-full \
	radosgw unzip wget

# The requirements are installed again only when their file changed, so that a second start uses no network.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, set PYTHON=")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing $(1)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1)
	@touch $@
endef

$(VENV)/run.stamp: requirements/run.txt
	$(call install,requirements/run.txt)

$(VENV)/test.stamp: requirements/test.txt
	$(call install,requirements/test.txt)

run: $(VENV)/run.stamp
	@exec $(BIN)/python -m run

# The seven steps of the workflow against what `make run` has started.
demo: $(VENV)/run.stamp
	@$(BIN)/python -m run.demo

test: lint
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

# The tests that want foreign programs; one that is missing fails its test, none is skipped. Then those of the models
# service once more, over another S3 server.
test-foreign: $(VENV)/test.stamp
	$(BIN)/python -m pytest -q tests/foreign
	STORE=ceph $(BIN)/python -m pytest -q -n 2 --dist loadfile -k 'not postgresql' \
		-m 'not soak and not keeps_checksums' tests/models

tools:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(TOOLS)
	command -v npm || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nodejs npm
	npm ci --silent --no-audit --no-fund

# The slow proofs: minutes of churn and faults.
soak: $(VENV)/test.stamp
	$(BIN)/python -m pytest -q -m soak tests tests/foreign

# Churn and faults under the logs service; what they are is drawn from SEED, which is printed.
chaos: $(VENV)/test.stamp
	SEED=$(SEED) MINUTES=$(MINUTES) $(BIN)/python -m pytest -q -s -m soak tests/logs/faults/test_chaos.py

lint: export PYTHONPATH := .:client
lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# Ratios to nchan, to the bare database, to Flask; needs nginx, libnginx-mod-nchan and wrk, and a quiet machine.
bench-logs: $(VENV)/test.stamp
	for name in delivery latency idle ingest reading; do $(BIN)/python -m bench.$$name || exit 1; done

# What an evaluation adds to its inference server's own 50 ms, in time, CPU and memory; needs a quiet machine.
bench-evaluations: $(VENV)/test.stamp
	$(BIN)/python -m bench.evaluation

# Ratios to S3 itself, to minio-py, to a socket copy in Python and to MLflow (installed by the run, into .data/bench);
# needs wrk and curl, and a quiet machine.
bench-models: $(VENV)/test.stamp
	for name in downloads download_costs mlflow_proxy uploads listing; do $(BIN)/python -m bench.$$name || exit 1; done

# Pins every requirement with its hashes; the files name no index.
lock:
	for name in service run test; do \
		uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--no-header --no-annotate requirements/$$name.in -o requirements/$$name.txt || exit 1; \
	done

clean:
	rm -rf $(VENV) .data
