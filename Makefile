# `make help` lists the targets.
VENV := .venv
PYTHON := $(VENV)/bin/python
TARGET_VENV := .venv-target-jsonl
DUCKDB_VENV := .venv-target-duckdb
DBT_VENV := .venv-dbt
EXAMPLE := dbt/example
# A Python of 3.10 or later.
PYTHON3 ?= python3

.DEFAULT_GOAL := help

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

install: $(VENV)/installed ## Install the tap and everything the tests need into .venv

$(VENV)/installed: setup.py pyproject.toml requirements-dev.txt
	$(PYTHON3) -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable . --requirement requirements-dev.txt
	touch $@

$(TARGET_VENV)/installed:
	$(PYTHON3) -m venv $(TARGET_VENV)
	$(TARGET_VENV)/bin/python -m pip install --quiet --disable-pip-version-check target-jsonl
	touch $@

demo: $(VENV)/installed $(TARGET_VENV)/installed ## Sync the demo organisation through target-jsonl and show what arrived
	$(PYTHON) scripts/demo.py $(TARGET_VENV)/bin/target-jsonl demo-output

$(DUCKDB_VENV)/installed: $(EXAMPLE)/requirements-target-duckdb.txt
	$(PYTHON3) -m venv $(DUCKDB_VENV)
	$(DUCKDB_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

$(DBT_VENV)/installed: $(EXAMPLE)/requirements-dbt.txt
	$(PYTHON3) -m venv $(DBT_VENV)
	$(DBT_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

warehouse-demo: $(VENV)/installed $(DUCKDB_VENV)/installed $(DBT_VENV)/installed ## Load the demo organisation into DuckDB, prove its books, print its profit and loss
	$(PYTHON) scripts/warehouse_demo.py $(DUCKDB_VENV)/bin/target-duckdb $(DBT_VENV)/bin/dbt warehouse-output

lint: $(VENV)/installed ## Check style and format
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check

format: $(VENV)/installed ## Format the code
	$(PYTHON) -m ruff format
	$(PYTHON) -m ruff check --fix

types: $(VENV)/installed ## Check types
	$(PYTHON) -m mypy

unit: $(VENV)/installed ## Run the tests of the rooms: all but whole runs and the project itself
	$(PYTHON) -m pytest --numprocesses 2 --ignore tests/whole_run --ignore tests/project

test: lint types ## Lint, check types and run all tests
	$(PYTHON) -m pytest --numprocesses 2

docs: $(VENV)/installed ## Write the generated tables and catalog.json anew
	$(PYTHON) scripts/update_docs.py
	$(PYTHON) -m tests.support.fault_table

bench: $(VENV)/installed ## Measure CPU, memory and calls; writes benchmarks/RESULTS.md
	$(PYTHON) benchmarks/run.py

RUNS ?= 10000
simulate: $(VENV)/installed ## Prove that no record is lost, in RUNS simulated runs
	$(PYTHON) -m tests.whole_run.simulation $(RUNS)

RECORDS ?= 200000
soak: $(VENV)/installed ## Sync RECORDS records with faults in every twentieth call
	$(PYTHON) -m tests.whole_run.soak $(RECORDS)

test-targets: $(VENV)/installed ## Load the demo organisation into real targets (needs Debian's postgresql)
	$(PYTHON) -m pytest -m targets

compare-api: $(VENV)/installed ## Compare schemas and streams with an API description: make compare-api API=file.yaml
	$(PYTHON) scripts/compare_api.py $(API)

clean: ## Remove what the other targets made
	rm -rf $(VENV) $(TARGET_VENV) $(DUCKDB_VENV) $(DBT_VENV) demo-output warehouse-output build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: help install demo warehouse-demo lint format types unit test docs bench simulate soak test-targets compare-api clean
