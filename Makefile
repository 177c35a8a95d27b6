# make demo   from nothing to a running demo          make demo ARGS="--once"   the demo day played by itself
# make test   every check and every test              make check                lint, types, import rules only
# make bench  the figures of the README

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
ARGS ?=
# Tests spend half their time waiting for sockets and disks.
WORKERS ?= 4

.PHONY: demo test check bench setup browser

demo: $(VENV)/installed
	@$(BIN)/frontline demo $(ARGS)

test: check browser
	$(BIN)/pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: $(VENV)/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/installed-for-tests
	$(BIN)/python -m bench.callbacks
	$(BIN)/python -m bench.welcome
	$(BIN)/python -m bench.startup
	$(BIN)/python -m bench.search
	$(BIN)/python -m bench.questions
	$(BIN)/python -m bench.digest
	$(PIP) install -c constraints.txt -e '.[bench]'
	$(BIN)/python -m bench.plan

setup: $(VENV)/installed-for-tests

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "no virtual environment could be made; on Debian: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing …"
	@$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/installed-for-tests: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing what the tests need …"
	@$(PIP) install -c constraints.txt -e '.[test]'
	@touch $@ $(VENV)/installed

# Tests drive Debian's Chromium; Playwright's own download is not needed.
BROWSER := chromium fonts-wqy-microhei
browser:
	@if ! command -v chromium >/dev/null; then \
		if [ "$$(id -u)" = 0 ]; then AS=""; elif sudo -n true 2>/dev/null; then AS="sudo -n"; \
		else echo "the tests need a browser; run once: sudo apt-get install -y $(BROWSER)" >&2; exit 1; fi; \
		$$AS apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$AS apt-get install -y -qq $(BROWSER) >/dev/null; \
	fi
