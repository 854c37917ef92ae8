# Two commands on a fresh machine with Python 3.11 and make: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MEASURE := .venv-measure
STAMP := $(VENV)/.ready

# Rounds of the kill test in `make check`.
ROUNDS ?= 20

.PHONY: demo test kill learn check lint clean setup stand-ins measure-reading configuration

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

demo: $(STAMP)
	$(BIN)/ecgd demo

test: $(STAMP)
	failed=0; \
	$(BIN)/python -m pytest -m 'not kill and not learn' --ignore=tests/flow -n logical --maxprocesses 4 --dist loadfile || failed=$$?; \
	$(BIN)/python -m pytest -m 'not kill and not learn' tests/flow || failed=$$?; \
	exit $$failed

kill: $(STAMP)
	ECGD_KILL_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest -m kill -s

# Each model, small, on simulated ECGs: minutes.
learn: $(STAMP)
	$(BIN)/python -m pytest -m learn

# The schema for editors and the reference page again, after a change of config/.
configuration: $(STAMP)
	$(BIN)/ecgd config schema > config/ecgd.schema.json
	$(BIN)/ecgd config reference > docs/configuration.md

# Cohorts, trainings, both bundles and docs/models.md again; BACKGROUNDS: a folder of PTB-XL, or ptbxl in ECGD_SAMPLES.
stand-ins: $(STAMP)
	$(BIN)/python -m ecgd.stand_ins $(if $(BACKGROUNDS),--backgrounds $(BACKGROUNDS))

# docs/reading.md again, or only PARTS of it (vector raster formats waves quality doors); ECGD_SAMPLES: the real ECGs.
measure-reading: $(MEASURE)/.ready
	$(MEASURE)/bin/python -m benchmarks.reading $(PARTS)

# Of its own: neurokit2's wheel brings a package called tests, which would hide ours.
$(MEASURE)/.ready: pyproject.toml constraints.txt
	test -x $(MEASURE)/bin/python || $(PYTHON) -m venv $(MEASURE)
	$(MEASURE)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt torch
	$(MEASURE)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[test,measure]'
	touch $@

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test learn kill

clean:
	rm -rf $(VENV) $(MEASURE) demo-out .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
