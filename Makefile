# Everything runs in .venv, which `make env` makes from nothing but Python and this folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BASE := .venv-base
BASE_STAMP := $(BASE)/.installed
TFLITE_PYTHON ?= python3.11
TFLITE := .venv-tflite
TFLITE_STAMP := $(TFLITE)/.installed
SOURCES := $(shell find edgeseg converters runtime -name '*.py')

.PHONY: env demo test quick lint types imports unit docs test-arm64 test-tflite-runtime soak bench clean

env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[convert,metrics,sign,dicom,html,study,docs,dev]'
	touch $@

# The package as a board gets it: a built wheel without extras.
$(BASE_STAMP): pyproject.toml constraints.txt $(SOURCES)
	$(PYTHON) -m venv $(BASE)
	$(BASE)/bin/python -m pip install --quiet --constraint constraints.txt --force-reinstall .
	touch $@

# The package with tflite-runtime 2.14 and NumPy 1, which need Python 3.11 at most.
$(TFLITE_STAMP): pyproject.toml constraints-tflite.txt $(SOURCES)
	$(TFLITE_PYTHON) -m venv $(TFLITE)
	$(TFLITE)/bin/python -m pip install --quiet --requirement constraints-tflite.txt
	$(TFLITE)/bin/python -m pip install --quiet --no-deps --force-reinstall .
	touch $@

demo: env
	$(BIN)/edgeseg demo

test: env lint types imports unit

# What needs neither TensorFlow nor a worker nor CT: seconds, after every change.
quick: export EDGESEG_QUICK = 1
quick: export OMP_NUM_THREADS = 1
quick: export OPENBLAS_NUM_THREADS = 1
quick: env lint
	$(MAKE) --no-print-directory types & types=$$!; \
	$(BIN)/pytest --quiet --numprocesses 2 -m "not (tensorflow or worker or ct or browser or root)" \
	&& wait $$types

lint: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

# Tests in three calls: some folders have modules of one name. What is not checked there: cases are
# dicts of settings passed on as keywords (arg-type, call-arg), pytest.approx stands for the number it
# is compared with (comparison-overlap), mappings that are dicts are joined (operator), lambdas in
# loops have defaults (misc), and NumPy and nibabel leave much untyped (return-any).
LENIENT := --no-warn-return-any --no-warn-unused-ignores --disable-error-code arg-type \
	--disable-error-code call-arg --disable-error-code comparison-overlap \
	--disable-error-code operator --disable-error-code misc
EXAMPLES := examples:examples/kidney_unet
TESTED := converters:runtime:tests/support
types: env
	$(BIN)/mypy
	MYPYPATH=$(EXAMPLES) $(BIN)/mypy examples/*.py examples/boards/*.py examples/kidney_unet/*.py
	MYPYPATH=$(TESTED):tests/lab:tests/soak:tests/benchmarks:$(EXAMPLES):docs $(BIN)/mypy $(LENIENT) \
		$$(find tests -name '*.py' -not -name conftest.py -not -path 'tests/fuzz/*' -not -path 'tests/arm64/*')
	MYPYPATH=$(TESTED):tests/fuzz:tests/arm64 $(BIN)/mypy $(LENIENT) tests/fuzz/*.py tests/arm64/*.py
	MYPYPATH=.:$(TESTED):tests/lab $(BIN)/mypy $(LENIENT) $$(find tests -name conftest.py)
	MYPYPATH=docs/_extensions $(BIN)/mypy docs/conf.py docs/_extensions/*.py

imports: env
	$(BIN)/lint-imports

# COVERAGE=--cov counts what the tests run, and fails below the figure in pyproject.toml.
COVERAGE ?=

# Two processes share two cores: libraries that start a thread a core would only make them wait.
unit: export TF_NUM_INTRAOP_THREADS = 1
unit: export TF_NUM_INTEROP_THREADS = 1
unit: export OMP_NUM_THREADS = 1
unit: export OPENBLAS_NUM_THREADS = 1
unit: env $(BASE_STAMP)
	EDGESEG_BASE_PYTHON=$(abspath $(BASE)/bin/python) $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 15 $(COVERAGE)

# The site; a warning fails: a broken link, a page in no table of contents, an unknown reference.
docs: env
	$(BIN)/python -m sphinx --builder html --fresh-env --nitpicky --fail-on-warning --keep-going --quiet docs build/docs
	@echo built build/docs/index.html

# The package on 64-bit ARM, emulated; as root, with Debian's debootstrap and qemu-user-static.
test-arm64: env
	$(BIN)/python tests/arm64/run.py

test-tflite-runtime: env $(TFLITE_STAMP)
	EDGESEG_TFLITE_PYTHON=$(abspath $(TFLITE)/bin/python) $(BIN)/pytest tests/end_to_end/test_tflite_runtime.py

# Hours: each prints a table, and exits with 1 where a goal is missed.
soak: env
	mkdir -p build
	$(BIN)/edgeseg convert examples/kidney_unet/kidney-unet.keras -o build/soak.edgeseg --max-partitions 6
	$(BIN)/python tests/soak/kill.py build/soak.edgeseg
	$(BIN)/python tests/soak/growth.py build/soak.edgeseg
	$(BIN)/python tests/soak/small_board.py
	$(BIN)/python tests/soak/memory.py
	$(BIN)/python tests/soak/attacks.py
	PYTHONPATH=tests/support $(BIN)/python tests/fuzz/messages.py build/soak.edgeseg
	PYTHONPATH=tests/support $(BIN)/python tests/fuzz/bundles.py
	PYTHONPATH=tests/support $(BIN)/python tests/fuzz/pieces.py build/soak.edgeseg

bench: env
	$(BIN)/python tests/benchmarks/goals.py

clean:
	rm -rf $(VENV) $(BASE) $(TFLITE) build dist
