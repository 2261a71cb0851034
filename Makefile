# Every target sets up what it needs in .venv, once: each stamp is made when its step is done.
PYTHON ?= python3
BACKEND ?= tensorflow
WORKERS ?= 2
TESTS ?= tests
BIN := .venv/bin
PIP := $(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python -c constraints.txt
RUN := TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python
PYTEST := JAX_ENABLE_X64=1 $(RUN) -m pytest -q -n $(WORKERS) --dist worksteal $(TESTS)

.PHONY: demo test test-all test-long check format bench docs pictures constraints clean help

help:
	@echo "make demo      find the anomalies of a real recording and write a report (out/demo)"
	@echo "make test      the quick suite on one backend: BACKEND=tensorflow (default), jax or torch;"
	@echo "               a part of it: TESTS=tests/temporal"
	@echo "make test-all  the three backends, slow tests included: what CI runs"
	@echo "make test-long what takes minutes each, on one backend, by hand"
	@echo "make check     format, lint, types      make format   mend format and lint"
	@echo "make bench     the benchmarks, or one: BENCH=codec; tables and JSON in out/bench;"
	@echo "               DATA=FOLDER: detection too, on 20 of the labelled series there"
	@echo "make docs      the documentation site, in site/"
	@echo "make pictures  the pictures that the README and the guides show"

.venv/uv: constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt uv
	@touch $@

.venv/demo: .venv/uv pyproject.toml
	$(PIP) -e '.[demo]'
	@touch $@

.venv/dev: .venv/uv pyproject.toml
	$(PIP) -e '.[dev]'
	@touch $@ .venv/demo

.venv/jax: .venv/dev
	$(PIP) jax
	@touch $@

# pip, not uv: a plain CPU build on the machine's disk is found by pip's configuration only.
.venv/torch: .venv/dev
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt \
	  torch vector-quantize-pytorch
	@touch $@

.venv/tensorflow: .venv/dev
	@touch $@

demo: .venv/demo
	$(RUN) -m lamina_cli detect --out out/demo

test: .venv/$(BACKEND)
	KERAS_BACKEND=$(BACKEND) $(PYTEST)

# All three, also where one fails: the last line names those that did.
test-all: .venv/jax .venv/torch
	@failed=; for backend in tensorflow jax torch; do \
	  echo "== $$backend"; KERAS_BACKEND=$$backend $(PYTEST) -m "not long" || failed="$$failed $$backend"; \
	done; test -z "$$failed" || { echo "failed on:$$failed"; exit 1; }

test-long: .venv/$(BACKEND)
	KERAS_BACKEND=$(BACKEND) $(PYTEST) -m long

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# All scripts; benchmarks/detection only where DATA names a folder of labelled series, and then a
# sample of them. Each is a process, since peers and backends do not share one.
BENCH ?= $(filter-out _%,$(basename $(notdir $(wildcard benchmarks/*.py)))) $(if $(DATA),detection)

bench: .venv/torch .venv/jax
	@for name in $(BENCH); do \
	  echo "== $$name"; given=; test $$name != detection || given="$(DATA) --sample 20"; \
	  KERAS_BACKEND=$(BACKEND) $(RUN) -m benchmarks.$$name $$given || exit 1; \
	done

docs: .venv/dev
	$(BIN)/mkdocs build --strict --quiet

# What the README and the guides show is what the demo and the examples draw.
pictures: demo .venv/dev
	$(BIN)/python docs/_tools/pictures.py out/demo/report.html docs/images
	$(BIN)/python docs/_tools/live_picture.py out/demo/model.keras docs/images/live.png
	for name in adversarial_signal distill_subclassed grad_cam perceptual_images; do \
	  $(RUN) -m examples.$$name docs/images/$$name.png || exit 1; done

# New pins: torch by hand, since resolving it lists gigabytes of CUDA packages.
constraints: .venv/uv
	$(BIN)/uv pip compile -q --upgrade --no-emit-index-url --no-annotate --no-header \
	  --extra dev --extra jax --extra tensorflow pyproject.toml -o constraints.txt
	printf '%s\n' einx einops filelock frozendict loguru mpmath networkx sympy | $(BIN)/uv pip compile -q \
	  --no-emit-index-url --no-annotate --no-header - >> constraints.txt
	printf '%s\n' torch==2.13.0 torch-einops-utils==0.2.0 vector-quantize-pytorch==1.32.0 >> constraints.txt

clean:
	rm -rf .venv out build dist site
