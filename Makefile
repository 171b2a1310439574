# `make` alone prints what there is. Everything runs in $(VENV), made on first use and reused afterwards.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PACKAGE_FILES := setup.cfg pyproject.toml

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint train-mini train-table bench-mini ablations mini-image clean

help: ## print these lines
	@echo "gfnet-video: make TARGET [PYTHON=python3.12] [VENV=.venv]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) \
		| while IFS='|' read -r target line; do printf '  %-11s %s\n' "$$target" "$$line"; done

demo: $(VENV)/.with-base ## recognise the bundled clips with the bundled model, and draw what it looked at (a minute)
	@echo "demo: the bundled model on the bundled, held-out clips; on two CPU cores this takes less than a minute"
	$(BIN)/gfnet-video demo

test: lint $(VENV)/.with-dev-mini ## lint, then run the tests (a few minutes)
	@echo "test: pytest without the marker 'originals', on two processes of one thread; a few minutes"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/.with-dev-mini ## ruff (style) and mypy (types); the import floors are a test (under a minute)
	$(BIN)/ruff check .
	$(BIN)/mypy

train-mini: $(VENV)/.with-mini-pretrained ## train the bundled models and their two static baselines; resumable (up to 3 hours)
	$(BIN)/python -m tools.train_mini

train-table: $(VENV)/.with-mini-pretrained ## train what bench-mini compares, two backbones and two seeds; resumable (many hours)
	$(BIN)/python -m tools.train_mini --table

bench-mini: $(VENV)/.with-mini ## print the table of the README on the test split of mini (tens of minutes)
	$(BIN)/python -m tools.table_mini

ablations: $(VENV)/.with-mini-pretrained ## what single choices of the GFNet are worth: train, measure; resumable (4 hours)
	$(BIN)/python -m tools.ablations --train

mini-image: $(VENV)/.with-mini-pretrained ## GFNet on pictures: render, train, measure; resumable (an hour and a half)
	$(BIN)/python -m tools.mini_image

clean: ## remove the environment, caches and build outputs; keeps data/ and runs/
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp per set of extras (.with-dev-mini: gfnet-video[dev,mini]), renewed when the package's own files change.
$(VENV)/.with-%: $(PACKAGE_FILES)
	@$(check-python)
	@echo "setup: installing gfnet-video$(extras:%=[%]) into $(VENV)"
	@echo "setup: the first time this downloads several GB (PyTorch and its CUDA libraries) and takes about five minutes"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --editable ".$(extras:%=[%])"
	@touch $@

comma := ,
extras = $(subst -,$(comma),$(filter-out base,$*))

# The environment's own Python where there is one, else $(PYTHON).
define check-python
python=$(PYTHON); [ ! -x $(BIN)/python ] || python=$(BIN)/python; \
$$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || { \
	echo "Python 3.10 to 3.13 is needed; $$python is $$($$python --version 2>&1 || true)" >&2; \
	echo "name another one: make $(MAKECMDGOALS) PYTHON=python3.12 (after 'make clean' if $(VENV) was made with it)" >&2; \
	exit 1; }
endef
