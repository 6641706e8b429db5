# make run: set up, then Llama4Rec on MovieLens-100K with a real language model; table and report.
# make test: set up, then every check. Both need Python 3.11 or later, make and git, and nothing else.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= runs/first
JOBS ?= 2

.PHONY: run test check format setup clean

run: $(VENV)/.runs
	@$(BIN)/tandemrec run llama4rec --data ml-100k --backbone lightgcn --llm smollm2-135m --out $(OUT)

test: check
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal

check: $(VENV)/.tests
	@$(BIN)/ruff format --check src tests benchmarks
	@$(BIN)/ruff check src tests benchmarks
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.tests
	@$(BIN)/ruff format src tests benchmarks
	@$(BIN)/ruff check --fix src tests benchmarks

setup: $(VENV)/.tests

# torch comes first and alone, pinned: an unpinned one brings gigabytes of CUDA.
$(VENV)/.runs: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed: make PYTHON=python3.12 ..."; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV): PyTorch, then the rest"
	@$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt torch
	@$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.tests: $(VENV)/.runs
	@$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
