# Every goal makes the virtual environment it needs; nothing has to be installed beforehand but Python 3.11+.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# For PyTorch, what pip is given: a requirement, a wheel's path, options.
TORCH ?=
VENV ?= .venv
LITERT ?= .venv-litert
BIN := $(VENV)/bin
DEMO ?= demo
# How long `make soak` runs, and what of tools/soak.py; all where nothing is said.
MINUTES ?= 10
SOAK ?=
WORKERS ?= 2

# What was asked for on the command line; the environment is gone through again where that is not what it was made of.
quoted = '$(subst ','\'',$(1))'
CHOSEN := $(filter command environment,$(origin PYTHON))
ASKED := $(strip $(if $(CHOSEN),$(PYTHON)) $(TORCH))
AGAIN := $(if $(ASKED),$(if $(findstring [$(ASKED)],[$(shell cat $(VENV)/.asked 2>/dev/null)]),,again))

.DEFAULT_GOAL := help
.PHONY: help demo litert page site test test-slow test-litert lint resolve wheels compiled bench soak gpu gpu-wheels clean again system-packages optional-packages

help:
	@echo "make demo       export the demo checkpoint and segment an image it never saw"
	@echo "make litert     an environment of its own for the target litert, in $(LITERT); then $(LITERT)/bin/groupvit"
	@echo "make page       build the page that groupvit demo and --target web show in a browser"
	@echo "make site       the documentation as pages for a browser, in build/site"
	@echo "make test       everything that CI runs except the lints"
	@echo "make system-packages  what the tests of compiled code need, by apt-get; the tests do so where they may"
	@echo "make test-slow  the tests that take long"
	@echo "make test-litert  the tests of the target litert, in that environment"
	@echo "make soak       tests that find more the longer they run; MINUTES=$(MINUTES), SOAK= of tools/soak.py --help"
	@echo "make lint       ruff, mypy, import-linter"
	@echo "make resolve    whether every extra can be installed from the public index; fetches metadata only"
	@echo "make wheels     both wheels, installed into empty environments from a package index, and used; ONLY=tests"
	@echo "make compiled   the C++ library and its tests"
	@echo "make bench      measurements on the full-size model, into benchmarks/results/"
	@echo "make gpu        what needs an NVIDIA GPU: tests, comparisons, times, into benchmarks/results/gpu/; at most 9 minutes"
	@echo "make gpu-wheels what such a machine may lack, in parcels for a place without an index; HAVE=its packages"
	@echo "make clean      remove the environment and what the other goals made"

# One stamp for each set of packages. constraints.txt pins every version exactly; PyTorch's gives way to the one that
# was asked for, or that $(PYTHON) has.
$(VENV)/.export: pyproject.toml runtimes/python/pyproject.toml constraints.txt tools/environment.py $(AGAIN)
	@$(PYTHON) tools/environment.py $(VENV) export $(if $(CHOSEN),--chosen) --torch=$(call quoted,$(TORCH))
	@$(if $(ASKED),printf '%s\n' $(call quoted,$(ASKED)) > $(VENV)/.asked)
	@touch $@

$(VENV)/.test: $(VENV)/.export
	@$(BIN)/python tools/environment.py $(VENV) export test lint bench docs notebooks
	@touch $@

# The page of the target web: npm, of the environment's own Node.js, fetches what it is made of by its lock.
SITE := groupvit_export/web/site/index.html
WEB := runtimes/web

page: $(SITE)

$(VENV)/.page: $(VENV)/.export
	@$(BIN)/python tools/environment.py $(VENV) export page
	@touch $@

$(SITE): $(VENV)/.page $(wildcard $(WEB)/*.json $(WEB)/*.html $(WEB)/*.ts $(WEB)/src/*/*)
	cd $(WEB) && PATH="$(abspath $(BIN)):$$PATH" npm ci --ignore-scripts --no-audit --no-fund
	cd $(WEB) && PATH="$(abspath $(BIN)):$$PATH" npm run build
	@touch $@

# LiteRT's converter goes with other versions than the rest.
$(LITERT)/.litert: pyproject.toml runtimes/python/pyproject.toml constraints-litert.txt tools/environment.py
	@$(PYTHON) tools/environment.py $(LITERT) export litert --constraints constraints-litert.txt $(if $(CHOSEN),--chosen) --torch=$(call quoted,$(TORCH))
	@touch $@

litert: $(LITERT)/.litert

test-litert: $(LITERT)/.litert
	$(LITERT)/bin/pip install -c constraints-litert.txt hypothesis pytest pytest-xdist
	$(LITERT)/bin/python -m pytest tests/groupvit_export/targets/litert tests/groupvit_runtime/test_litert_engine.py
	$(LITERT)/bin/python -m pytest tests/test_published_size.py -k litert

site: $(VENV)/.test
	$(BIN)/python -m tools.site build/site

demo: $(VENV)/.export
	$(BIN)/groupvit-export --target openvino -o $(DEMO)/bundle --force
	$(BIN)/groupvit segment $(DEMO)/bundle groupvit_export/data/demo/sample.png -o $(DEMO) --force --labels \
		"red car,water,yellow boat,grass,purple house,mountain,sky,blue balloon,tree"
	@echo
	@echo "The overlay is $(DEMO)/sample.overlay.png"

system-packages:
	@$(PYTHON) tools/system_packages.py

# The first of the prerequisites: what it says comes before everything else.
optional-packages:
	@$(PYTHON) tools/system_packages.py --optional

test: optional-packages $(VENV)/.test page
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadgroup

test-slow: optional-packages $(VENV)/.test page
	$(BIN)/python -m pytest -m slow -n $(WORKERS) --dist loadgroup

soak: $(VENV)/.test
	$(BIN)/python tools/soak.py --minutes $(MINUTES) $(SOAK)

lint: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

resolve: $(VENV)/.test
	$(BIN)/python tools/resolve.py

# The C++ library and its probes, in build/, where the other tests find them.
compiled: optional-packages $(VENV)/.test
	$(BIN)/python -m pytest -q tests/groupvit_runtime_cpp/test_c_interface.py -k test_the_units_pass
	cmake --build build/cpp-tests --parallel 2

wheels: $(VENV)/.test page
	$(BIN)/python -m pytest tests/test_distributions.py $(if $(ONLY),-k '$(ONLY)')

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks.peers
	$(BIN)/python -m benchmarks.roofline
	$(BIN)/python -m benchmarks.precisions
	$(BIN)/python -m benchmarks.soft_scores
	$(BIN)/python -m benchmarks.folder
	$(BIN)/python -m benchmarks.static_shapes
	$(BIN)/python -m benchmarks.report

# Where there is no environment, the machine's own Python, which has PyTorch for CUDA: nothing is fetched for this.
gpu:
	$(if $(CHOSEN),$(PYTHON),$(or $(wildcard $(BIN)/python),python3)) -m benchmarks.gpu $(ARGS)

gpu-wheels: $(VENV)/.test
	$(BIN)/python -m benchmarks.gpu.fetch $(if $(HAVE),--have $(HAVE)) $(if $(GROUPS),--groups $(GROUPS))

clean:
	rm -rf $(VENV) $(LITERT) $(dir $(SITE)) $(WEB)/node_modules $(DEMO) build dist *.egg-info runtimes/python/build runtimes/python/*.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis soak-found
