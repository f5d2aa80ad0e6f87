# Every goal makes the virtual environment it needs; nothing has to be installed beforehand but Python 3.11+.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint resolve bench clean

help:
	@echo "make demo       export the demo checkpoint and segment a picture it never saw"
	@echo "make test       everything that CI runs except the lints"
	@echo "make test-slow  the tests that take long"
	@echo "make lint       ruff, mypy, import-linter"
	@echo "make resolve    whether every extra can be installed from the public index; fetches metadata only"
	@echo "make bench      measurements on the full-size model, into benchmarks/results/"
	@echo "make clean      remove the environment and what the other goals made"

# One stamp for each set of packages; constraints.txt pins every version exactly.
$(VENV)/.export: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "torch==2.13.0"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[export]"
	touch $@

$(VENV)/.test: $(VENV)/.export
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[export,test,lint,bench]"
	touch $@

demo: $(VENV)/.export
	$(BIN)/groupvit-export --target openvino -o $(DEMO)/bundle --force
	$(BIN)/groupvit segment $(DEMO)/bundle groupvit_export/data/demo/sample.png -o $(DEMO) --force --labels \
		"red car,water,yellow boat,grass,purple house,mountain,sky,blue balloon,tree"
	@echo
	@echo "The overlay is $(DEMO)/sample.overlay.png"

test: $(VENV)/.test
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadgroup

test-slow: $(VENV)/.test
	$(BIN)/python -m pytest -m slow -n $(WORKERS) --dist loadgroup

lint: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

resolve: $(VENV)/.test
	$(BIN)/python tools/resolve.py

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks.foundation
	$(BIN)/python -m benchmarks.peers
	$(BIN)/python -m benchmarks.roofline
	$(BIN)/python -m benchmarks.throughput
	$(BIN)/python -m benchmarks.windows
	$(BIN)/python -m benchmarks.precisions
	$(BIN)/python -m benchmarks.cpp
	$(BIN)/python -m benchmarks.report

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
