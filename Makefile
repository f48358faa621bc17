# The commands of the series; `make help` lists them. Set-up happens by itself, once.
# Windows has no make: README.md gives the same commands for it.

# The first Python on the path that can run the series; where none can, tools/setup.py says what is wrong.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && exit; \
	done; echo python3)
VENV_PYTHON ?= .venv/bin/python

# Kernels start in notebooks/, so a relative folder would be looked for there.
ifneq ($(strip $(KUZUSHIJI_DATA)),)
override KUZUSHIJI_DATA := $(shell $(PYTHON) -c 'import os, sys; \
	print(os.pathsep.join(os.path.abspath(os.path.expanduser(p)) for p in sys.argv[1].split(os.pathsep) if p))' '$(KUZUSHIJI_DATA)')
export KUZUSHIJI_DATA
endif

.DEFAULT_GOAL := help
.PHONY: help setup lab run test test-offline test-full test-lab check notebooks articles benchmarks links rehearse-colab lock style

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## make the environment .venv (once; the other commands do it by themselves)
	@$(PYTHON) tools/setup.py

lab: setup  ## open the series in JupyterLab
	$(VENV_PYTHON) -m jupyterlab $(LAB_OPTIONS) notebooks

run: setup  ## run the series; executed copies and web pages come to build/
	@$(VENV_PYTHON) tools/run_notebooks.py

test: setup check  ## test the helpers, and every notebook in quick mode

NBVAL = $(VENV_PYTHON) -m pytest --nbval-lax --nbval-current-env -p no:cacheprovider notebooks

check:
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m pytest tests
	KUZUSHIJI_QUICK=1 $(NBVAL)

# An empty folder in place of the cache, and a proxy that refuses every connection, stand for a machine that has nothing.
OFFLINE = KUZUSHIJI_DATA= KUZUSHIJI_CACHE="$(CURDIR)/build/nothing" NO_PROXY= no_proxy= ALL_PROXY= all_proxy= \
	https_proxy=http://127.0.0.1:9 http_proxy=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9

test-offline: setup  ## test every notebook in quick mode with no data source at all
	$(OFFLINE) $(VENV_PYTHON) -c 'from kuzushiji.datasets import kmnist_source; assert kmnist_source() == "eigenkana"'
	$(OFFLINE) KUZUSHIJI_QUICK=1 $(NBVAL)

test-full: setup  ## test the reader's run of every notebook on the full real data
	$(VENV_PYTHON) tools/test_full.py

test-lab: setup  ## test "restart and run all" of every notebook in a real JupyterLab (needs a Chromium or Chrome)
	KUZUSHIJI_QUICK=1 KUZUSHIJI_LAB=1 KUZUSHIJI_BROWSER=required $(VENV_PYTHON) -m pytest -v tests/test_lab.py

notebooks: setup  ## maintainers: run the notebooks in place on the real data, and write img/
	$(VENV_PYTHON) tools/run_notebooks.py --in-place

articles: setup  ## maintainers: write the articles from the stored notebooks (BASE_URL=... for Medium)
	$(VENV_PYTHON) tools/make_articles.py

benchmarks: setup  ## maintainers: run what is missing of all records, and write their tables and figure
	@$(VENV_PYTHON) benchmarks/suite.py
	@$(VENV_PYTHON) benchmarks/report.py

# REPO counts where it is given on the command line, not where the environment happens to have one.
links: setup  ## maintainers: write badges, set-up cells and README from the public address (REPO=owner/name sets it)
	@$(VENV_PYTHON) tools/links.py $(if $(filter command,$(origin REPO)),--repo='$(REPO)')

rehearse-colab: setup  ## maintainers: run every notebook as a newcomer to Colab would, and compare versions (installs 3 GB)
	@$(VENV_PYTHON) tools/rehearse_colab.py

style: setup  ## maintainers: check and format the code and the notebooks
	$(VENV_PYTHON) -m ruff check --fix . && $(VENV_PYTHON) -m ruff format .

lock:  ## maintainers: write requirements.lock from pyproject.toml with the newest releases (needs uv)
	uv pip compile --universal --python-version 3.11 --upgrade --no-header --no-annotate \
		--extra notebooks --extra jupyter --extra wandb --extra dev pyproject.toml -o requirements.lock
