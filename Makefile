# Daily commands. `make` shows them; `make all` is what CI runs.
VENV   := .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
MACE_VENV := .venv-mace
LEARNED_VENV := .venv-learned
DATA ?= ../shared/data
SILICON ?= $(DATA)/silicon
FUZZ_RUNS ?= 10000000

.DEFAULT_GOAL := help
.PHONY: help all audit cargo demo figures test test-rust bench-rust test-python test-quick test-browser test-mace test-learned test-package test-pythons coverage test-faults fuzz fuzz-files fuzz-guided nightly paper quality hal docs docs-links rustdoc lint format clean

help: ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

all: lint test ## what CI runs

demo: $(VENV)/installed ## build, then run the main job on structures made on the spot
	$(BIN)/mlipselect demo -o demo-output/selected.xyz

test: test-rust test-python ## every test

test-rust: | cargo ## the tests of the Rust crates, and their benchmarks run once
	cargo test --release --workspace

figures: $(VENV)/installed ## the picture of the README, from structures made on the spot
	$(BIN)/python -m benches.pages.picture docs/selection.svg

bench-rust: | cargo ## time the kernels of the Rust crates; what changed since the last time
	cargo bench --workspace --bench '*'

# A file of tests stays in one process: its fixtures are made once.
test-python: $(VENV)/installed ## the tests of the Python package, against the installed wheel, in a process for each core
	$(BIN)/python -m pytest -n auto --dist loadfile

test-quick: $(VENV)/installed ## those of them that took less than a quarter of a second when they last ran here
	$(BIN)/python -m pytest -q -n auto --dist loadfile --quick

test-mace: $(MACE_VENV)/installed ## the tests of MACE and metatomic, in an environment with torch (several GB)
	$(MACE_VENV)/bin/python -m pytest tests/learned

test-learned: $(LEARNED_VENV)/installed ## the tests of packages that live together: CHGNet and SevenNet with their trained models, NequIP, MatGL, NEP (several GB)
	$(LEARNED_VENV)/bin/python -m pytest tests/learned

test-package: $(VENV)/installed ## the tests of one learned potential in an environment of its own: make test-package PACKAGE=orb-models==0.5.5
	test -n "$(PACKAGE)"
	PYTHON=$(PYTHON) .ci/make-venv .venv-package
	.venv-package/bin/python -m pip install --quiet --group dev $(PACKAGE)
	VIRTUAL_ENV=$(CURDIR)/.venv-package PIP_QUIET=1 .venv-package/bin/maturin develop --release --quiet
	.venv-package/bin/python -m pytest tests/learned

test-browser: $(VENV)/installed ## pages of selections in Chromium, which has to be there: in a minute or two
	$(BIN)/python -m pip install --quiet --group browser
	$(BIN)/python -m pytest -m "" tests/browser

test-pythons: $(VENV)/tools ## the tests on every Python at hand, and on the lowest versions of all dependencies
	rm -rf target/wheels
	PIP_QUIET=1 $(BIN)/maturin build --release --quiet
	.ci/test-pythons target/wheels/*.whl

coverage: $(VENV)/tools ## lines of the Rust crates that the tests of the Python package run: needs cargo-llvm-cov and LLVM's tools
	.ci/coverage

test-faults: $(VENV)/installed ## runs that are killed at many moments, full disks, 100,000 selections: minutes
	$(BIN)/python -m pytest -m slow tests/faults

fuzz: $(VENV)/installed ## ten million mutated frames of extended XYZ; 200,000 plain ones read as ASE reads them
	cargo run --release -p mlipselect-extxyz --example mutate -- read 10000000
	cargo run --release -p mlipselect-extxyz --example mutate -- print 200000 | $(BIN)/python tests/fuzz/compare_extxyz.py

fuzz-files: $(VENV)/installed ## mutated posteriors, features, potentials, stores, checkpoints, records and messages, 1000 files of each kind
	$(BIN)/python tests/fuzz/mutate_files.py 1000

# The reader of extended XYZ has no unsafe code, so it needs no sanitizer, and is twenty times as fast without.
fuzz-guided: $(VENV)/installed ## extended XYZ and posteriors that cargo-fuzz finds by the code they reach: needs it, and a nightly toolchain
	$(BIN)/python tests/fuzz/seeds.py target/fuzz
	cargo +nightly fuzz run --fuzz-dir rust/fuzz --sanitizer none extxyz target/fuzz/extxyz -- -runs=$(FUZZ_RUNS) -max_len=4096
	cargo +nightly fuzz run --fuzz-dir rust/fuzz --features posterior posterior target/fuzz/posterior -- -runs=$(FUZZ_RUNS) -max_len=4096

nightly: $(VENV)/installed ## part of the paper's experiment, and the default on labelled data; fails if no better than random draws
	rm -rf nightly-output
	$(BIN)/python -m benches.paper --quick --data $(SILICON) -o nightly-output
	$(BIN)/python -m benches.quality --data $(DATA) -o nightly-output/quality --methods default --require default

paper: $(VENV)/installed ## the paper's experiment, in less than an hour; tables and figures go to paper-output
	$(BIN)/python -m benches.paper --data $(SILICON) -o paper-output

quality: $(VENV)/installed ## what picks of every method are worth on labelled data, in minutes; tables go to quality-output
	$(BIN)/python -m benches.quality --data $(DATA) -o quality-output

hal: $(VENV)/installed ## what structures from biased dynamics are worth, in half an hour; the page goes to docs/explanation
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benches.hal worth -o hal-output --docs docs/explanation

docs: $(VENV)/docs-tools $(VENV)/installed rustdoc ## the site with the pages of the Rust crates, in docs/_build/html; warnings are errors
	rm -rf docs/reference/generated docs/examples
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --builder html docs docs/_build/html

docs-links: $(VENV)/docs-tools $(VENV)/installed rustdoc ## ask the network for every external link of the site
	$(BIN)/python -m sphinx --keep-going --quiet --define plot_gallery=0 --builder linkcheck docs docs/_build/links

# Offline: what the crates need has been fetched to install the package. Pages of earlier crates would be copied to the site.
rustdoc: $(VENV)/installed
	rm -rf $${CARGO_TARGET_DIR:-target}/doc
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --offline --quiet

lint: $(VENV)/installed ## formatters, linters and type checkers, warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest mlipselect._core

audit: $(VENV)/installed ## dependencies, workflows, scripts, spelling: needs cargo-deny, pip-audit, check-jsonschema, actionlint, shellcheck, zizmor, typos
	cargo deny check
	pip-audit --path $(wildcard $(VENV)/lib/python*/site-packages) --skip-editable
	check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	actionlint
	shellcheck .ci/* findings/*.sh
	zizmor --offline .github
	typos

format: $(VENV)/installed ## rewrite the sources in the house style
	cargo fmt --all
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove everything that was built
	rm -rf target $(VENV) $(VENV)-* demo-output docs/_build docs/reference/generated docs/examples
	rm -f python/mlipselect/_core*.so

cargo:
	@.ci/check-cargo

$(VENV)/tools: pyproject.toml .ci/make-venv | cargo
	PYTHON=$(PYTHON) .ci/make-venv $(VENV)
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

$(VENV)/docs-tools: $(VENV)/tools
	$(BIN)/python -m pip install --quiet --group docs
	@touch $@

# Editable for the Python part; the Rust part is rebuilt when a source of it changed.
$(VENV)/installed: $(VENV)/tools Cargo.toml Cargo.lock $(shell find rust -name '*.rs' -o -name Cargo.toml)
	PIP_QUIET=1 $(BIN)/maturin develop --release --quiet
	@touch $@

$(MACE_VENV)/installed: pyproject.toml $(VENV)/installed
	PYTHON=$(PYTHON) .ci/make-venv $(MACE_VENV)
	$(MACE_VENV)/bin/python -m pip install --quiet --group dev
	VIRTUAL_ENV=$(CURDIR)/$(MACE_VENV) PIP_QUIET=1 $(MACE_VENV)/bin/maturin develop --release --quiet --extras mace,metatomic
	@touch $@

# These exclude mace, which needs another e3nn. ORB, UMA and MatterSim need environments of their own.
$(LEARNED_VENV)/installed: pyproject.toml $(VENV)/installed
	PYTHON=$(PYTHON) .ci/make-venv $(LEARNED_VENV)
	$(LEARNED_VENV)/bin/python -m pip install --quiet --group dev --group learned
	VIRTUAL_ENV=$(CURDIR)/$(LEARNED_VENV) PIP_QUIET=1 $(LEARNED_VENV)/bin/maturin develop --release --quiet
	@touch $@
