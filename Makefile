# `make` lists what there is. Needs python3 (3.11 or newer) with its venv module, and nothing else: everything is
# installed into .venv, at the versions in constraints.txt. Written for GNU make 3.81 too, which macOS ships.

PYTHON =
ARGS =
PYTHONS =

VENV = .venv
BIN = $(VENV)/bin
# The constraints have hashes, so pip installs only what they name, and only files with these hashes.
INSTALL = $(BIN)/python -m pip --disable-pip-version-check install -q --no-input -c constraints.txt
PYTEST = $(BIN)/python -m pytest -n auto --dist loadgroup
# The theme's notices are about its own future.
MKDOCS = NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs
RESOLVE = UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --no-config --universal \
	--python-version 3.11 --upgrade --all-extras --generate-hashes

.PHONY: help quick test test-app demo lint ruff mypy pyright format coverage soak bench fuzz fleet workers docs docs-serve docs-reference docs-outputs wheel-test oldest-test lock hooks clean FORCE
.NOTPARALLEL:

help: ## list these targets
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F '|' '{ printf "  %-14s %s\n", $$1, $$2 }'
	@echo "Another Python than python3:  make PYTHON=python3.12 test"

quick: $(VENV)/.for-test ## run the unit tests, in seconds: they start nothing and wait for nothing
	@$(PYTEST) -n logical tests/unit $(ARGS)

test: $(VENV)/.for-test ## run all tests that need no Kafka and no browser, a part of each kind; all: ARGS="--thorough --loops all"
	@$(PYTEST) -m "not browser" $(ARGS)

test-app: $(VENV)/.for-bench ## run the tests of the page in a browser, of the example application and of the benchmarks: Chromium, Kafka (Java 17, Maven)
	@$(PYTEST) tests/app tests/system/page $(ARGS)

demo: $(VENV)/.for-app ## run the example application and edit its settings: a good edit, a bad one; then it is your turn
	@$(BIN)/python -m examples.demo

lint: ruff mypy pyright ## ruff, mypy --strict and pyright

ruff: $(VENV)/.for-lint ## lint and check the formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

mypy: $(VENV)/.for-lint ## check types with mypy --strict
	@$(BIN)/mypy

pyright: $(VENV)/.for-lint ## check types with pyright
	@$(BIN)/pyright --warnings

format: $(VENV)/.for-lint ## format the code and fix what ruff can fix
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

coverage: $(VENV)/.for-test ## run the tests and show what they miss; the core must be covered whole; more processes: make coverage ARGS="-n 4"
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -n auto --dist loadgroup -m "not browser" --loops all $(ARGS)
	@$(BIN)/coverage combine -q
	@$(BIN)/coverage report
	@echo "==> The core, all but the command line, at 100%:"
	@$(BIN)/coverage report --omit="*/hotsettings/cli.py,*/hotsettings/cli/*" --fail-under=100

soak: $(VENV)/.for-test ## follow files that random writers change, under random faults (5 minutes); longer: make soak ARGS="--minutes 30"
	@PYTHONPATH=tests $(BIN)/python -m support.faults.soak $(ARGS)

bench: $(VENV)/.for-bench ## measure everything beside its peers (14 minutes); a smoke run: make bench ARGS=--quick
	@$(BIN)/python -m benchmarks $(ARGS)

fuzz: $(VENV)/.for-test ## look for layers that crash, hang or show secrets, for a minute; for hours: make fuzz ARGS="--minutes 120"
	@PYTHONPATH=tests $(BIN)/python -m support.fuzz $(ARGS)

fleet: $(VENV)/.for-bench ## follow three NATS servers that fail from 50 processes, and judge and measure it (15 minutes); a smoke run: make fleet ARGS=--quick
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.fleet $(ARGS)
	@$(BIN)/python docs/fleet_model.py

workers: $(VENV)/.for-bench ## edit the settings of 16 gunicorn workers under load, and measure how far they are apart (4 minutes); a smoke run: make workers ARGS=--quick
	@$(BIN)/python -m benchmarks.workers $(ARGS)

docs-reference: $(VENV)/.for-use ## write the generated part of docs anew: the configuration reference and the JSON Schema
	@mkdir -p docs/reference
	@$(BIN)/hotsettings reference integr8scode.settings:Settings >docs/reference/configuration.md
	@$(BIN)/hotsettings schema integr8scode.settings:Settings >docs/reference/config.schema.json

docs: $(VENV)/.for-docs ## build the documentation site into site/; a warning is an error
	@$(MKDOCS) build --strict
	@$(BIN)/python docs/hooks/check_site.py site

docs-serve: $(VENV)/.for-docs ## show the site while you write: http://127.0.0.1:8000, anew at each change
	@$(MKDOCS) serve --strict

docs-outputs: $(VENV)/.for-test ## run the commands in the docs and write down what they print today
	@PYTHONPATH=tests $(BIN)/python tests/docs/test_docs.py

wheel-test: $(VENV)/.for-lint ## run the tests against the built wheel; on more: make wheel-test PYTHONS="python3.12 python3.13"
	@sh .ci/wheel-test $(PYTHONS)

oldest-test: $(VENV)/.for-lint ## the same with the oldest versions of what pyproject.toml allows
	@CONSTRAINTS=constraints-oldest.txt sh .ci/wheel-test

lock: $(VENV)/.for-use ## write both constraints files anew, with the newest and the oldest version of everything
	@echo "==> Resolving for every supported Python"
	@$(INSTALL) --group lock
	@$(RESOLVE) --group dev --output-file constraints.txt pyproject.toml
	@$(RESOLVE) --resolution lowest-direct --group test --output-file constraints-oldest.txt pyproject.toml
	@echo "==> Done. Look at the difference (git diff constraints*), then run the tests."

hooks: $(VENV)/.for-lint ## run the linters at each commit (git hooks)
	@$(INSTALL) --group dev
	@$(BIN)/pre-commit install

clean: ## remove what was made here; never secrets.toml
	rm -rf $(VENV) build dist site .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. Each stamp says that what one purpose needs is installed; it is renewed when the dependencies
# change or the environment was made anew. make-venv looks each time and touches nothing when all is well.
FORCE:

$(VENV)/pyvenv.cfg: FORCE
	@sh .ci/make-venv $(VENV) "$(PYTHON)"

$(VENV)/.for-use: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	@echo "==> Installing hotsettings and what it runs on into $(VENV) (about 15 seconds)"
	@awk '/^[a-z]/ { wanted = /^pip==/ } wanted' constraints.txt >$(VENV)/pip.txt # an older pip looks for hashes in requirements only
	@$(BIN)/python -m pip --disable-pip-version-check install -q --no-input -r $(VENV)/pip.txt
	@$(INSTALL) --group build
	@$(BIN)/python .ci/requirements | xargs $(INSTALL)
	@$(BIN)/python -m pip --disable-pip-version-check install -q --no-input --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.for-app: $(VENV)/.for-use
	@echo "==> Installing what the example application runs on (about 10 seconds)"
	@$(INSTALL) --group app
	@touch $@

$(VENV)/.for-test: $(VENV)/.for-use
	@echo "==> Installing what the tests need (about 15 seconds)"
	@$(INSTALL) --group test --group test-app
	@$(INSTALL) --group test-uwsgi || echo "==> uWSGI could not be built, which takes a C compiler: its tests will be skipped"
	@touch $@

$(VENV)/.for-bench: $(VENV)/.for-test
	@echo "==> Installing what the benchmarks compare with (a few seconds)"
	@$(INSTALL) --group bench
	@touch $@

$(VENV)/.for-docs: $(VENV)/.for-use
	@echo "==> Installing what builds the documentation site (about 10 seconds)"
	@$(INSTALL) --group docs
	@touch $@

$(VENV)/.for-lint: $(VENV)/.for-test
	@echo "==> Installing the linters and type checkers (about 30 seconds)"
	@$(INSTALL) --group lint --group bench --group docs
	@touch $@
