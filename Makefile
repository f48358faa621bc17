# The commands of the series; `make help` lists them. Set-up happens by itself, and again where a lock file has changed.
# Windows has no make: README.md gives the same commands for it.

# The first Python on the path that can run the series; where none can, tools/setup.py says what is wrong.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && exit; \
	done; echo python3)
VENV_PYTHON ?= .venv/bin/python

# Kernels start in notebooks/, so a relative folder would be looked for there. Apostrophes are escaped for the shell.
ifneq ($(strip $(value KUZUSHIJI_DATA)),)
override KUZUSHIJI_DATA := $(shell $(PYTHON) -c 'import os, sys; \
	print(os.pathsep.join(os.path.abspath(os.path.expanduser(p)) for p in sys.argv[1].split(os.pathsep) if p))' \
	'$(subst ','\'',$(value KUZUSHIJI_DATA))')
export KUZUSHIJI_DATA
endif

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev lab run test test-offline test-full test-lab check notebooks articles benchmarks links rehearse-colab lock style

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/requirements.lock  ## make the environment .venv (once; the other commands do it by themselves)

setup-dev: .venv/requirements-dev.lock  ## the same, with what tests and contributors need

# The stamps: each is newer than its lock file once that is installed. A moved folder needs an environment of its own.
.venv/requirements.lock: requirements.lock $(if $(shell grep -sxF '$(subst ','\'',$(CURDIR))' .venv/made-by-setup),,moved)
	@$(PYTHON) tools/setup.py

.venv/requirements-dev.lock: requirements-dev.lock .venv/requirements.lock
	@$(PYTHON) tools/setup.py requirements-dev.lock

.PHONY: moved
moved:

lab: setup  ## open the series in JupyterLab
	$(VENV_PYTHON) -m jupyterlab $(LAB_OPTIONS) notebooks

run: setup  ## run the series; executed copies and web pages come to build/
	@$(VENV_PYTHON) tools/run_notebooks.py

test: setup-dev check  ## test the helpers, and every notebook in quick mode

NBVAL = $(VENV_PYTHON) -m pytest --nbval-lax --nbval-current-env -p no:cacheprovider

check:
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m deptry . benchmarks tools tests
	$(VENV_PYTHON) -m pytest tests
	KUZUSHIJI_QUICK=1 $(NBVAL) notebooks

# An empty folder in place of the cache, and a proxy that refuses every connection, stand for a machine that has nothing.
OFFLINE = KUZUSHIJI_DATA= KUZUSHIJI_CACHE="$$PWD/build/nothing" NO_PROXY= no_proxy= ALL_PROXY= all_proxy= \
	https_proxy=http://127.0.0.1:9 http_proxy=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9

test-offline: setup-dev  ## test every notebook in quick mode with no data source at all
	$(OFFLINE) $(VENV_PYTHON) -c 'from kuzushiji.datasets import kmnist_source; assert kmnist_source() == "eigenkana"'
	$(OFFLINE) KUZUSHIJI_QUICK=1 $(NBVAL) notebooks

# Cells tagged check-full hold on the full real data alone; in copies that tag is turned into the one that nbval knows.
test-full: setup-dev  ## test the reader's run of every notebook on the full real data (NAMES="01 04": of these)
	$(VENV_PYTHON) -c 'from kuzushiji import load_kmnist; load_kmnist("test", source="kmnist")'
	@rm -rf build/test-full && mkdir -p build/test-full/solutions
	@cd notebooks && set -e && for name in $(or $(NAMES),[0-9]); do for path in $$name*.ipynb solutions/$$name*.ipynb; do \
		sed 's/"check-full"/"nbval-check-output"/' $$path > ../build/test-full/$$path; done; done
	KUZUSHIJI_QUICK= $(NBVAL) --nbval-cell-timeout=1800 build/test-full

test-lab: setup-dev  ## test "restart and run all" of every notebook in a real JupyterLab (needs a Chromium or Chrome)
	$(VENV_PYTHON) -m pytest -v -m lab --browser=required tests/test_lab.py

notebooks: setup  ## maintainers: run the notebooks in place on the real data, and write img/
	$(VENV_PYTHON) tools/run_notebooks.py --in-place

articles: setup-dev  ## maintainers: write the articles from the stored notebooks (BASE_URL=... for Medium)
	$(VENV_PYTHON) tools/make_articles.py

benchmarks: setup-dev  ## maintainers: run what is missing of all records, and write their tables and figure
	@$(VENV_PYTHON) benchmarks/suite.py
	@$(VENV_PYTHON) benchmarks/report.py

links: setup  ## maintainers: write badges and set-up cells from the public address in pyproject.toml
	@$(VENV_PYTHON) tools/links.py

rehearse-colab: setup  ## maintainers: run the series as a newcomer to Colab would (installs 3 GB)
	@tools/rehearse_colab.sh

style: setup-dev  ## maintainers: check and format the code and the notebooks
	$(VENV_PYTHON) -m ruff check --fix . && $(VENV_PYTHON) -m ruff format .

COMPILE = uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate pyproject.toml

lock:  ## maintainers: write the lock files from pyproject.toml with the newest releases (needs uv)
	$(COMPILE) --upgrade --extra notebooks --extra jupyter -o requirements.lock
	{ echo "-r requirements.lock"; $(COMPILE) --all-extras --constraint requirements.lock | grep -vxFf requirements.lock; } \
		> requirements-dev.lock
