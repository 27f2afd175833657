PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
DATA := $(or $(CTC_DATA_DIR),data)

.PHONY: run demo test faults load check install clean

run: install $(DATA)/store.duckdb  ## start the desk; builds the demo cohort where there is no store
	$(BIN)/streamlit run app.py

$(DATA)/store.duckdb: | install
	$(BIN)/python -m ctc_core --data $(DATA) demo

test: $(VENV)/.dev  ## run all tests: on two processes, then in a browser, where waiting is measured in seconds, on one
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not browser"
	$(BIN)/python -m pytest -m browser

faults: $(VENV)/.dev  ## break store, journal, server and worker in every way we know, for half an hour; prints a table
	$(BIN)/python -m tests.faults

load: $(VENV)/.dev  ## ten readers label for two minutes, beside an idle and beside a busy worker; prints JSON
	$(BIN)/python -m tests.load
	$(BIN)/python -m tests.load --busy

check: $(VENV)/.dev  ## lint and type-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: $(VENV)/.run

$(VENV)/.run: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --requirement requirements-dev.txt
	touch $@

clean:  ## remove the virtual environment; data stay
	rm -rf $(VENV)
