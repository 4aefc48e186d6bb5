# Two commands: `make demo` (the main job against the sandbox, no account) and `make test` (everything).
# `make sandbox` starts the sandbox and leaves it running; README.md's examples talk to it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
# Tests wait more than they compute, so there may be more workers than processors.
WORKERS ?= 4
PORT ?= 8642
WORKFLOWS := $(wildcard .github/workflows/*.yml examples/github/*.yml)
SHELL_FILES := step.sh plugin/launch.sh .ci/run $(wildcard hooks/* examples/*/*.sh tests/bitrise/*/step.sh)
.PHONY: demo sandbox test check dist bench attack manifests clean
.DELETE_ON_ERROR:

demo: $(VENV)/sandbox
	@$(BIN)/python -m plugin demo

sandbox: $(VENV)/sandbox
	@: >$(VENV)/sandbox.log; nohup $(BIN)/buildferry sandbox --port $(PORT) >$(VENV)/sandbox.log 2>&1 </dev/null & \
		until grep -q '^storage' $(VENV)/sandbox.log; do \
			kill -0 $$! 2>/dev/null || { cat $(VENV)/sandbox.log; exit 1; }; sleep 0.1; \
		done; cat $(VENV)/sandbox.log; echo "It runs until you stop it: kill $$!"

# `check` has run the rules. The end-to-end tests come first, so that the many short ones fill up what the long files
# leave; and bytecode is kept, for without it each worker compiles every test.
test: check
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder \
		--ignore tests/unit/rules

check: $(VENV)/test
	@$(BIN)/ruff check .
	@$(BIN)/codespell
	@$(BIN)/mypy
	@$(BIN)/shellcheck $(SHELL_FILES)
	@$(BIN)/python -m pytest --quiet tests/unit/rules
	@$(BIN)/zizmor --offline --quiet --config .github/zizmor.yml .github/dependabot.yml action.yml $(WORKFLOWS)
	@PATH="$(CURDIR)/$(BIN):$$PATH"; if command -v actionlint >/dev/null; then actionlint $(WORKFLOWS); else \
		echo "actionlint is not installed, so nobody but zizmor has read the workflows: make $(VENV)/actionlint"; fi
	@$(BIN)/python scripts/manifests.py --check

# What a release publishes, into dist/.
dist: $(VENV)/release
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation
	@$(BIN)/python -m twine check --strict dist/*

bench: $(VENV)/test
	@$(BIN)/python -m benchmarks

attack: $(VENV)/test
	@$(BIN)/python -m attacks

manifests: $(VENV)/test
	@$(BIN)/python scripts/manifests.py

clean:
	rm -rf $(VENV)

$(VENV)/pyvenv.cfg:
	@command -v $(PYTHON) >/dev/null \
		|| { echo "$(PYTHON) was not found: install Python 3.10 or newer, or run 'make PYTHON=/path/to/python3'."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "$(PYTHON) is older than 3.10: run 'make PYTHON=/path/to/a/newer/python3'."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$(PYTHON) has no venv: install it (on Debian and Ubuntu: apt-get install python3-venv)."; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(addprefix $(VENV)/,actionlint release sandbox test): $(VENV)/%: setup.cfg pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "preparing $(VENV) (once): installing buildferry[$*]"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]' \
		|| { echo "The packages could not be installed: is the package index reachable?"; exit 1; }
	@touch $@
