# Two commands do all the set-up on a fresh machine: `make quickstart` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(or $(LWM_CACHE),$(HOME)/.cache/lwm-operator)
UV_VERSION := 0.13.9
UV := $(CACHE)/uv-$(UV_VERSION)/bin/uv
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3))
RUN := $(UV) run --frozen --no-sync
CLUSTER := $(RUN) python -m devcluster
NAME ?= lwm-test

export UV_PYTHON_DOWNLOADS := never
# Each process would compile JAX's sources again, for 6 s of CPU; tests and local mode start hundreds.
unexport PYTHONDONTWRITEBYTECODE
export LWM_UV := $(UV)

.PHONY: help setup quickstart demo proof test e2e check soak check-monitoring check-packaging release-check format crd docs docs-site bench-operator bench-attention bench-model bench-data bench-generation bench-vision fit-recipe cluster-up cluster-down cluster-status kubectl load-image shell clean

help: ## This list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else "Python 3.11, 3.12 or 3.13 is needed, this is " + sys.version.split()[0] + ": install one of them, or say PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv $(CACHE)/uv-$(UV_VERSION)
	@$(CACHE)/uv-$(UV_VERSION)/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

setup: $(UV) ## Install everything into .venv from the lock file
	@# uv compares paths: given a shim of pyenv's, it would make .venv anew each time, also below tests that run.
	@$(UV) sync --frozen --extra operator --extra trainer --quiet --python "$$($(PYTHON) -c 'import sys; print(sys._base_executable)')"

# Settings for external clusters, accepted on make's command line only, so that no variable of the shell chooses a cluster.
# `value` keeps $ARCHIVE and $IMAGE as they are: the command in IMAGE_LOAD expands them.
EXTERNAL := CONTEXT NAMESPACE IMAGE_LOAD IMAGE_REGISTRY IMAGES_LOADED STORAGE_CLASS ACCESS_MODE BUCKET
$(foreach name,$(EXTERNAL),$(if $(filter command,$(origin $(name))),$(eval export LWM_$(name) := $$(value $(name)))))

# libtpu is installed for the tests, and would look for TPUs.
quickstart: export JAX_PLATFORMS := cpu
quickstart: setup ## Train the example's three stages on an embedded Kubernetes; LOCAL=1: without any; CONTEXT=kind-x IMAGE_LOAD='…': on your cluster
	@$(RUN) python -m quickstart $(if $(and $(filter command,$(origin LOCAL)),$(LOCAL)),--local) $(if $(filter command,$(origin NAME)),--name '$(NAME)') $(QUICKSTART)

demo: export JAX_PLATFORMS := cpu
demo: setup ## Train a model on this machine that reads, captions, draws and continues clips, show that, and serve a page: minutes
	@$(RUN) python -m quickstart.demo $(DEMO)

proof: export JAX_PLATFORMS := cpu
proof: setup ## Train and compare what docs/proof.md is about, and write that page and its pictures: about a quarter of an hour; goes on where it stopped
	@$(RUN) python -m quickstart.proof $(PROOF)

test: setup ## All tests: checks, several processes, the real API server, real pods; prints the minutes of each layer
	@$(RUN) python -m tools.test_layers all

e2e: setup ## End-to-end tests that need only a kubeconfig, on the running embedded cluster; on your cluster with CONTEXT=… IMAGE_LOAD=…
	@$(RUN) python -m pytest -q tests/e2e -m "not embedded"

check: setup ## Format, lint, types, layers, generated files, fast tests: at most three minutes
	@$(RUN) python -m tools.test_layers check

soak: setup ## Long-running tests (hours); not run by CI: 100,000 random histories, all TPU generations, Kueue, random kills in local mode and of real pods
	@$(RUN) python -m simulation.soak --count 100000
	@$(RUN) python -m tpu.compile
	@$(RUN) python -m pytest -m soak tests/tpu
	@$(RUN) python -m processes.random_kills --count 10
	@$(CLUSTER) up --name $(NAME)
	@$(RUN) python -m kueue.drive --name $(NAME)
	@$(RUN) python -m e2e.random_kills --count 100 --name $(NAME)

check-monitoring: setup ## Judge the chart's alerts by promtool and the dashboard by a Prometheus; builds both once, in minutes
	@$(RUN) python -m pytest -q -n 0 tests/monitoring

check-packaging: setup ## Install the wheel into clean environments, one environment per extra, and start each command (PACKAGING='--python 3.12 3.13')
	@$(RUN) python -m tools.check_packaging $(PACKAGING)

release-check: setup ## Whether this checkout can be released: versions, CRD, chart, alerts, licences, site, wheel (RELEASE='--without packaging')
	@$(UV) sync --frozen --extra operator --extra trainer --group site --quiet --inexact
	@$(RUN) python -m tools.release $(RELEASE)

format: setup ## Format, and apply automatic fixes
	@$(RUN) ruff check --fix .
	@$(RUN) ruff format .

crd: setup ## Generate the CRD from the models
	@$(RUN) python -m tools.docs.crd

docs: setup ## Generate docs/reference.md, reasons.md, platforms.md, metrics.md and the chart's README from the code
	@$(RUN) python -m tools.docs

docs-site: setup ## Build the documentation as a site into build/site: every warning, such as a dead link, is an error
	@$(UV) sync --frozen --extra operator --extra trainer --group site --quiet --inexact
	@$(RUN) python -m tools.docs.site

bench-operator: setup ## Benchmark the operator on the running embedded cluster (NAME=lwm-test): about 12 minutes
	@$(RUN) python -m benchmarks.operator --name $(NAME) $(BENCH)

bench-attention: setup ## Benchmark attention against ringattention and dense attention, 8 CPU devices: about 15 minutes (BENCH=--quick: 2)
	@$(RUN) python -m benchmarks.attention $(BENCH)

bench-model: setup ## Benchmark loss, training step and checkpoint conversion, one CPU device: about 8 minutes (BENCH=--quick: 2)
	@$(RUN) python -m benchmarks.model $(BENCH)

bench-data: setup ## Benchmark packing, loading and preparation against grain and datasets: about 5 minutes (BENCH=--quick: 1)
	@$(RUN) python -m benchmarks.data $(BENCH)

bench-generation: setup ## Benchmark prefill, decode, guidance and shared prompts, one CPU device: about 10 minutes (BENCH=--quick: 6)
	@$(RUN) python -m benchmarks.generation $(BENCH)

bench-vision: setup ## Benchmark the vision tokenizer on one core, and memory over an hour of video: about 20 minutes (BENCH=--quick: 2)
	@$(RUN) python -m benchmarks.vision $(BENCH)

fit-recipe: setup ## Compile the whole recipe for v4, v5p and v6e without a TPU (an hour or more on two cores): docs/recipe.md and its picture
	@$(RUN) python -m tools.docs.recipe_page $(FIT)

cluster-up: setup ## Start the embedded cluster (NAME=lwm-test)
	@$(CLUSTER) up --name $(NAME)

cluster-down: setup ## Stop and delete the cluster (NAME=lwm-test)
	@$(CLUSTER) down --name $(NAME)

cluster-status: setup ## Show which components run (NAME=lwm-test)
	@$(CLUSTER) status --name $(NAME)

kubectl: setup ## Run kubectl against the embedded cluster: make kubectl ARGS='get pods -A'
	@$(CLUSTER) kubectl --name $(NAME) $(ARGS)

load-image: setup ## Build both images of this checkout and load them into both nodes
	@$(CLUSTER) load-image --name $(NAME)

shell: setup ## Open a shell with kubectl, helm and KUBECONFIG (NAME=lwm-test)
	@$(CLUSTER) shell --name $(NAME)

clean: ## Remove what was built inside the clone
	@rm -rf build .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
