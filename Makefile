# The newest and the oldest Airflow that the tests run with. Their packages are pinned in requirements/.
NEWEST := 3.3
OLDEST := 2.11
PYTHON ?= python3
# More for pytest, as in `make test-3.3 ARGS="-k teardown"`
ARGS ?=

# Airflow is a dozen processes in these tests; without bytecode each compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

ENV := .venv/airflow-$(NEWEST)
BIN := $(ENV)/bin
# Clients of AWS and of others, to hold the local Neptune ML against; their pins do not go with Airflow's.
FOREIGN := .venv/graph-notebook .venv/foreign-clients .venv/first-boto3
# Once they are named, tests without them fail instead of being skipped.
export GRAPH_NOTEBOOK_PYTHON := $(CURDIR)/.venv/graph-notebook/bin/python
export FOREIGN_CLIENTS_PYTHON := $(CURDIR)/.venv/foreign-clients/bin/python
export FIRST_BOTO3_PYTHON := $(CURDIR)/.venv/first-boto3/bin/python
JAVASCRIPT := .venv/javascript
# What builds the docs' site, and what builds and looks at the package; both need no Airflow.
TOOLS := .venv/docs .venv/packaging
# All environments but those of the two Airflows. `make install` leaves the last two out: the distributed Airflow also needs
# Debian packages.
OTHERS := $(FOREIGN) $(TOOLS) .venv/audit .venv/distributed
CHECKED := airflow_neptune_ml benchmarks demo $(wildcard docs/*.py scripts/*.py) example_dags tests

.PHONY: help
help:  ## this list
	@grep -E '^[a-z0-9.%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

.PHONY: install
install: $(ENV)/installed .venv/airflow-$(OLDEST)/installed $(FOREIGN:%=%/installed) $(TOOLS:%=%/installed)  ## make the environments in .venv

# One after the other also under -j: they share the tools environment, and on Debian apt's lock.
.venv/airflow-$(OLDEST)/installed: | $(ENV)/installed
$(OTHERS:%=%/installed): .venv/%/installed: requirements/%.txt scripts/install.sh | $(ENV)/installed
	@echo "Installing $< into $(@D)"
	@scripts/install.sh $(PYTHON) $(@D) $<
	@touch $@

.venv/distributed/installed: pyproject.toml

.venv/airflow-%/installed: requirements/airflow-%.txt pyproject.toml scripts/install.sh
	@echo "Installing Airflow $* and what the tests need into $(@D)"
	@scripts/install.sh $(PYTHON) $(@D) $<
	@touch $@

.PHONY: lint
lint: $(ENV)/installed  ## style and types
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy

# The tests without a server, a live Airflow or a user's whole project: what can be decided without I/O, and the package.
PURE := $(wildcard tests/test_*.py) tests/docs/test_against_code.py tests/failures/test_page.py \
	tests/hooks/test_cluster_address.py tests/triggers/test_waiting.py

.PHONY: check
check: lint  ## style, types and the tests without a server, in about a minute
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal $(PURE) $(ARGS)

.PHONY: format
format: $(ENV)/installed  ## put the code into the one format
	$(BIN)/ruff check --fix $(CHECKED)
	$(BIN)/ruff format $(CHECKED)

# Four runs, two at a time. A live run mostly waits for its Airflow, which a unit run beside it makes use of.
.PHONY: test
test: install lint docs package forget-repeats  ## style, types, docs, package, and the tests on both Airflows, of the oldest those that a version can break
	@$(MAKE) --no-print-directory --output-sync=target -j2 \
		unit-$(NEWEST) live-$(NEWEST) live-$(OLDEST) compatibility-$(OLDEST); \
		result=$$?; scripts/twice.sh --report; exit $$result

# What needs more than Python: node and npm. No lock file, since npm's names the host of a registry; the one direct
# dependency is pinned.
$(JAVASCRIPT)/installed: tests/foreign_clients/javascript/package.json
	@mkdir -p $(@D) && cp $< $(@D)
	npm install --prefix $(@D) --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: test-all
test-all: test unit-$(OLDEST) failures-$(NEWEST) failures-$(OLDEST) test-javascript package-installed refusals starts browser-$(NEWEST) distributed  ## `make test`, and what needs node, a browser or a quarter of an hour

# What fails around a task for a while: 60 runs are a part of a unit run, 520 are carried out here.
.PHONY: refusals refusals-$(NEWEST) refusals-$(OLDEST)
refusals: refusals-$(NEWEST) refusals-$(OLDEST)  ## 520 runs with everything failing around them, on both Airflows
refusals-$(NEWEST) refusals-$(OLDEST): refusals-%: .venv/airflow-%/installed
	@echo "A campaign of refusals with Airflow $*"
	@REFUSALS_RUNS=$${REFUSALS_RUNS:-520} .venv/airflow-$*/bin/python -m pytest -q -n 3 tests/refusals $(ARGS)

# A start with everything failing around it: a third of 130 runs for each mode is a part of `make test`, with the newest
# Airflow.
.PHONY: starts starts-$(NEWEST) starts-$(OLDEST)
starts: starts-$(NEWEST) starts-$(OLDEST)  ## 520 starts with every fault and every end, on each of both Airflows
starts-$(NEWEST) starts-$(OLDEST): starts-%: .venv/airflow-%/installed
	@echo "A campaign of starts with Airflow $*"
	@STARTS_SEEDS="$${STARTS_SEEDS:-1 2}" STARTS_PARTS="0 1 2" .venv/airflow-$*/bin/python -m pytest -q -n 3 tests/starts $(ARGS)

# A hundred of them are a part of `make test`.
.PHONY: cancels
cancels: $(ENV)/installed  ## 1,000 cancels with everything going wrong on the way, each judged at the service
	@$(BIN)/python -m tests.cancels --runs $${CANCELS_RUNS:-1000} --seed $${CANCELS_SEED:-1}

# 2,000 inputs are a part of `make test`, the same ones each time; these are others each time.
.PHONY: fuzz
fuzz: $(ENV)/installed  ## 100,000 odd ids, answers, events, connections, addresses and arguments
	@FUZZ_INPUTS=$${FUZZ_INPUTS:-100000} $(BIN)/python -m pytest -q -n 2 --dist worksteal tests/fuzz $(ARGS)

.PHONY: test-javascript
test-javascript: $(ENV)/installed $(JAVASCRIPT)/installed  ## AWS's SDK for JavaScript against the local Neptune ML
	@JAVASCRIPT_SDK=$(CURDIR)/$(JAVASCRIPT)/package.json $(BIN)/python -m pytest -q tests/foreign_clients -k javascript

# One Airflow's tests, as `make test-3.3`, `make unit-2.11` or `make live-3.3 ARGS="-k teardown"`
.PHONY: test-$(NEWEST) test-$(OLDEST)
test-$(NEWEST) test-$(OLDEST): test-%: unit-% live-% failures-%

# The local Neptune ML and the policies of IAM know no Airflow, and fuzzing is for our own code: their tests run with
# the newest versions only. So does the campaign of starts, which takes as long as several hundred other tests. Three
# processes on two cores, since many of these tests mostly wait.
NOT_OLDEST := $(addprefix --ignore=tests/,local graph_notebook foreign_clients starts iam fuzz)
unit-$(OLDEST): SKIP := $(NOT_OLDEST)
unit-$(NEWEST): $(FOREIGN:%=%/installed)
.PHONY: unit-$(NEWEST) unit-$(OLDEST)
unit-$(NEWEST) unit-$(OLDEST): unit-%: .venv/airflow-%/installed
	@echo "Tests with Airflow $*"
	@.venv/airflow-$*/bin/python -m pytest -q -n 3 --dist worksteal -m "not live" $(SKIP) $(ARGS)

# What meets Airflow, the Amazon provider, botocore or aiobotocore, and so breaks with a version of theirs: each verb of the
# hook and its settings; starts, waits and cancels of each kind, in both modes; what a deferred task saves and what becomes
# of it; the sensor; a DAG's policy and its cleanup; links; Airflow's commands; all XComs. `make matrix` runs it with every
# version, `make test` with the oldest, where the rest is left to `make test-all`: our code alone decides it.
.PHONY: compatibility-$(OLDEST)
compatibility-$(OLDEST): compatibility-%: .venv/airflow-%/installed
	@echo "Tests of what changes with a version, with Airflow $*"
	@.venv/airflow-$*/bin/python -m pytest -q -n 3 --dist worksteal -m "not live" @tests/compatibility.txt tests/golden $(ARGS)

# Tracing makes everything slower. What live tests run is not counted.
.PHONY: coverage
coverage: install  ## hold that the tests without a live Airflow run every line and branch of the package, on one Airflow or the other
	@$(BIN)/coverage erase
	@$(BIN)/python -m coverage run -m pytest -q -n 3 --dist worksteal -m "not live" $(ARGS)
	@.venv/airflow-$(OLDEST)/bin/python -m coverage run -m pytest -q -n 3 --dist worksteal -m "not live" $(NOT_OLDEST) $(ARGS)
	@$(BIN)/coverage combine -q && $(BIN)/coverage report

# A live Airflow on SQLite can lose a process to "database is locked" (seen with the triggerer of 3.3.2), which says
# nothing about this project. A failed run of live tests is therefore repeated once, in a new Airflow. Each repeat is
# noted in this file, with the summary line of the run that failed, and `make test` shows and counts them at its end.
REPEATS := .cache/repeats
export REPEATS
TWICE := scripts/twice.sh

.PHONY: forget-repeats
forget-repeats:
	@rm -f $(REPEATS)

# Apart, since the tests of a folder share one Airflow, and with `-n` each worker would start one. (xdist's loadgroup,
# which would keep them together, does nothing under pytest 9.2: https://github.com/pytest-dev/pytest-xdist/issues/1386)
.PHONY: live-$(NEWEST) live-$(OLDEST)
live-$(NEWEST) live-$(OLDEST): live-%: .venv/airflow-%/installed
	@echo "Tests in a live Airflow $*"
	@$(TWICE) $@ .venv/airflow-$*/bin/python -m pytest -q -m live tests/live $(ARGS)

# What ends a task, and what stops the job: an Airflow of its own, whose processes get killed. A pace of 2 gives a busy
# machine twice the time for everything.
.PHONY: failures-$(NEWEST) failures-$(OLDEST)
failures-$(NEWEST) failures-$(OLDEST): failures-%: .venv/airflow-%/installed
	@echo "Ways for a task to end in a live Airflow $*"
	@export FAILURES_PACE=$${FAILURES_PACE:-2}; $(TWICE) $@ .venv/airflow-$*/bin/python -m pytest -q -m live tests/failures $(ARGS)

# What people see, in a real browser. Set CHROMIUM to use another one than Debian's.
.PHONY: browser-$(NEWEST)
browser-$(NEWEST): $(ENV)/installed  ## Airflow's UI in a headless Chromium, as `make browser-3.3`
	@scripts/chromium.sh
	@echo "Airflow's UI in a browser"
	@$(TWICE) $(BIN)/python -m pytest -q -m live tests/ui $(ARGS)

# Two of each component on one machine. The campaign is a small one; `TRAININGS=300 SEED=7` makes a large one.
.PHONY: distributed
distributed: .venv/distributed/installed  ## an Airflow with Celery, Redis and PostgreSQL under faults, in less than an hour
	@scripts/distributed.sh
	@echo "A distributed Airflow under faults"
	@DISTRIBUTED_REQUIRED=1 .venv/distributed/bin/python -m pytest -q -rP -m distributed tests/distributed $(ARGS)

.PHONY: pictures
pictures: export PICTURES := $(CURDIR)/docs/pictures
pictures: browser-$(NEWEST)  ## take the docs' pictures anew, with the same tests

# Warnings are errors: a link that leads nowhere, a page that no list has. What is made from the code is held by tests.
SITE := docs/_build/html
.PHONY: docs
docs: .venv/docs/installed  ## build the docs' site
	@echo "Building the docs"
	@.venv/docs/bin/sphinx-build -q -W --keep-going -E -b html docs $(SITE)
	@echo "$(SITE)/index.html"

.PHONY: written
written: $(ENV)/installed  ## write anew what the docs make from the code
	@for made in $$(grep -l __main__ docs/*.py | grep -v agents) docs/agents.py; do $(BIN)/python $$made || exit 1; done

.PHONY: package
package: .venv/packaging/installed  ## build wheel and sdist, and look at them
	@scripts/package.sh .venv/packaging/bin

# Into empty environments: with what pip finds by itself, which takes minutes, and with the pins of each Airflow.
.PHONY: package-installed
package-installed: package  ## install the wheel, look for the provider, and remove it again
	@for pins in alone requirements/airflow-$(NEWEST).txt requirements/airflow-$(OLDEST).txt; do \
		echo "Installing the wheel with $$pins"; scripts/package_install.sh $(PYTHON) $$pins || exit 1; \
	done

# Each set of versions in an environment of its own, two at a time; `make matrix ARGS="3.2.2 lowest"` tries some of them.
# uv finds the Pythons on the PATH, or fetches them.
.PHONY: matrix
matrix: package  ## the wheel with every Airflow, Python and AWS package of requirements/matrix.toml, half an hour
	@.venv/packaging/bin/python scripts/matrix.py $(ARGS)

.PHONY: mwaa
mwaa: package  ## all tests, with the wheel and the Airflows that Amazon MWAA offers
	@.venv/packaging/bin/python scripts/matrix.py --tests all mwaa

# Asks PyPI about each package that users' machines, or the tests', get from these pins.
.PHONY: audit
audit: .venv/audit/installed  ## known weaknesses of what is pinned; says so where PyPI tells of none
	@$(PYTHON) scripts/audit.py .venv/audit/bin/pip-audit $(wildcard requirements/*.txt)

.PHONY: demo
demo: $(ENV)/installed  ## cancel a training job from a real Airflow, in two minutes
	@$(BIN)/python -m demo

.PHONY: ui
ui: $(ENV)/installed  ## Airflow with the example DAGs and a local Neptune ML, to play with
	@$(BIN)/python -m demo.ui

.PHONY: bench
bench: $(ENV)/installed  ## this package beside named peers, as ratios, on a quiet machine
	@$(BIN)/python -m benchmarks

# For the first 3.11, since Debian 12 has 3.11.2 and some packages want a later one. `make matrix` makes its own.
.PHONY: pins
pins: COMPILE := .venv/tools/bin/uv pip compile --quiet --upgrade --no-annotate --custom-compile-command "make pins" --python-version 3.11
pins: WITH_US := --extra deferrable --extra local pyproject.toml
pins: $(ENV)/installed  ## resolve requirements/*.in into the pins anew
	for version in $(NEWEST) $(OLDEST); do \
		$(COMPILE) $(WITH_US) --output-file requirements/airflow-$$version.txt requirements/airflow-$$version.in || exit 1; \
	done
	$(COMPILE) --override requirements/graph-notebook.overrides \
		--output-file requirements/graph-notebook.txt requirements/graph-notebook.in
	# After airflow-$(NEWEST).txt, whose pins it takes.
	$(COMPILE) $(WITH_US) --output-file requirements/distributed.txt requirements/distributed.in
	for name in audit foreign-clients first-boto3 docs packaging; do \
		$(COMPILE) --output-file requirements/$$name.txt requirements/$$name.in || exit 1; \
	done

.PHONY: clean
clean:  ## remove environments and caches
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
