# make run: everything, from nothing to results/report/index.html. make test: what the tests need, and the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 1)

.PHONY: install run study slurm test check publish release pretrained bench bench-long bench-gpu homework release-students \
  grade docs lock clean

# What `make run` needs, and all commands in .venv/bin; with it `.venv/bin/dvc pull` works in a fresh clone.
install: $(VENV)/installed

run: $(VENV)/installed
	$(BIN)/snakemake --cores $(CORES)
	@echo "The report: $(CURDIR)/results/report/index.html"

# Other splits and fewer training materials, side by side; and improved variants. Half an hour of one core more than a run.
study: $(VENV)/installed
	$(BIN)/snakemake --cores $(CORES) results/study/index.html
	$(BIN)/snakemake --cores $(CORES) --configfile presets/variants.yaml
	@echo "The study: $(CURDIR)/results/study/index.html"
	@echo "Improved variants: $(CURDIR)/runs/variants/results/report/index.html"

# For a cluster: then .venv/bin/snakemake --profile slurm-a100
slurm: $(VENV)/installed-slurm

test: $(VENV)/installed-test
	$(BIN)/pytest $(PYTEST)

check: $(VENV)/installed-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check --line-length 120 Snakefile rules
	@# The rules run in the project's own environment, so that none names a conda environment.
	! $(BIN)/snakemake --lint 2>&1 | grep -E '^ +\*|Error' | grep -v 'Specify a conda environment'

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-slurm: $(VENV)/installed
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[slurm]'
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[test]'
	$(BIN)/python -m pip install --no-deps emmet-api==0.87.3  # its own dependencies are those of a deployment
	touch $@

$(VENV)/installed-check: $(VENV)/installed-test
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[test,check]'
	touch $@

# Student notebooks into homework/notebooks; solution notebooks, executed, into build/homework/solution.
homework: $(VENV)/installed-staff
	$(BIN)/python -m homework.build --solve

# What students get: build/students, without masters, solutions and hidden tests.
release-students: $(VENV)/installed-staff
	$(BIN)/python -m homework.release build/students

# make grade SUBMISSIONS=folder, which holds a folder a student: grades and feedback into build/grades.
grade: $(VENV)/installed-staff
	@test -n "$(SUBMISSIONS)" || { echo "Say where they are: make grade SUBMISSIONS=folder"; exit 1; }
	$(BIN)/python -m homework.grading "$(SUBMISSIONS)" --out build/grades

$(VENV)/installed-staff: $(VENV)/installed
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[staff]'
	touch $@

# The site: site/index.html, which needs neither network nor server. A link that leads nowhere fails.
docs: $(VENV)/installed-docs
	$(BIN)/mkdocs build --strict --quiet
	@echo "The site: $(CURDIR)/site/index.html"

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[docs]'
	touch $@

bench: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks $(ROWS)

bench-long: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks test_mae precision ten_thousand graphs_scaling

# What `dvc pull` brings: the finished run and the pre-trained models, stored with DVC. Says what to commit.
publish: $(VENV)/installed-test
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/publish.py

release: run publish

# The models that `cgcnn predict` uses, from the real data in the folder that CGCNN_TEST_DATA names; 45 minutes of one core.
pretrained: $(VENV)/installed
	$(BIN)/snakemake --cores $(CORES) --configfile presets/pretrained.yaml
	$(BIN)/python scripts/pretrained.py --results runs/pretrained/results --to pretrained/materials-project

# For a machine with a GPU, torch and pyarrow, and graphs made elsewhere: make bench-gpu GRAPHS="data/graphs/*.parquet"
bench-gpu:
	$(PYTHON) -m benchmarks.gpu $(GRAPHS)

$(VENV)/installed-bench: $(VENV)/installed
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[bench]'
	touch $@

# After a change of pyproject.toml: what is installed now becomes what everybody gets.
lock: $(VENV)/installed-check $(VENV)/installed-bench $(VENV)/installed-docs
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > constraints.txt

clean:
	rm -rf $(VENV) build site results runs logs checkpoints data/structures.parquet data/rejects.parquet data/graphs data/splits .snakemake
