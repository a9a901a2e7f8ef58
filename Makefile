# Each target sets up what it needs; later runs reuse it. The scripts in scripts/ do the work.
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
NPM := $(BIN)/python scripts/bundle.py npm

.PHONY: help setup demo docs test lowest newest check format bench gallery table clean

help: ## show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

setup: ## set up .venv, the front end, Chromium and the models
	@$(PYTHON) scripts/setup.py all

demo: ## open the app on the packaged models (options: ARGS="--no-browser --port 8000")
	@$(PYTHON) scripts/setup.py app
	@$(BIN)/attnscope demo $(ARGS)

docs: ## build the documentation site in docs/_build/html; warnings are errors (ARGS="--fresh" executes every page again)
	@$(PYTHON) scripts/setup.py docs
	@$(BIN)/python scripts/docs_site.py $(ARGS)

test: setup ## run all tests: vitest, then pytest with the browser tests, in two processes (ARGS for pytest)
	@$(NPM) run test
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lowest: ## run the core tests with the oldest dependencies that pyproject.toml allows (ARGS goes to pytest)
	@$(PYTHON) scripts/versions.py lowest $(ARGS)

newest: ## run the core tests with the newest releases of the dependencies (ARGS goes to pytest)
	@$(PYTHON) scripts/versions.py newest $(ARGS)

check: ## run all checks of the sources, two at a time: format, lint, types, import layers, stray files
	@$(PYTHON) scripts/setup.py tools
	@$(BIN)/python scripts/checks.py

format: ## format the sources and apply automatic lint fixes
	@$(PYTHON) scripts/setup.py tools
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(NPM) run format

bench: setup ## measure time, memory and size (ARGS for the benchmarks)
	@$(BIN)/python benchmarks/run.py $(ARGS)

gallery: setup ## take the screenshots for docs/gallery.md again (ARGS: names of scenes)
	@$(BIN)/python scripts/gallery.py $(ARGS)

table: setup ## build, trace and certify every model type of transformers for docs/reference/models.md (ARGS: names of types)
	@$(BIN)/python scripts/table.py $(ARGS)

clean: ## remove all build output, but keep the models in the user's cache
	rm -rf .venv .venv-lowest .venv-newest dist src/attnscope/static frontend/node_modules .pytest_cache .ruff_cache .import_linter_cache .test-output
