# What people type. CMake (CMakePresets.json) builds, scripts/setup installs what is needed, scripts/check runs tests.
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60

help:
	@echo 'make demo        score a real or generated city: out/scores.parquet, out/grid.parquet, out/map.html'
	@echo 'make test        everything that a change must pass'
	@echo 'make build       build/ucid and build/libucid.so'
	@echo 'make install     into PREFIX ($(PREFIX))'
	@echo 'make test-cluster the package on Dask, Ray, Spark and Modin, on object stores'
	@echo 'make check       test, with the program under sanitizers, threads likewise, clang's tests'
	@echo 'make check-long  check, and the exhaustive comparisons (hours)'
	@echo 'make bench       the benchmarks'
	@echo 'make bench-table docs/benchmarks.md: the rivals and engines beside ours; SCALE of 10 GB of CSV (0.02)'
	@echo 'make fuzz        every fuzzer for FUZZ_SECONDS ($(FUZZ_SECONDS)) each'
	@echo 'make coverage    lines that the tests reach: build-coverage/coverage.txt'
	@echo 'make format      clang-format over the C sources'
	@echo 'make docs        docs/cli.md from the program'
	@echo 'make clean       remove what was built and out/'

setup:
	@scripts/setup test

build:
	@scripts/setup build
	@scripts/check build

demo: build
	@scripts/demo

test check check-long bench: setup
	@scripts/check $@

test-cluster:
	@scripts/setup cluster
	@scripts/check $@

bench-table: build
	@scripts/setup cluster
	UCID_RIVALS=$$(scripts/rivals) .venv/bin/python bench/table.py build

coverage:
	@scripts/setup coverage
	@scripts/check coverage

fuzz: setup
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/check fuzz

install: build
	cmake --install build --prefix $(PREFIX)

format:
	@scripts/format --fix

docs: build
	scripts/make-manual build/ucid markdown >docs/cli.md

clean:
	rm -rf build build-* out

.PHONY: help setup build demo test test-cluster check check-long bench bench-table coverage fuzz install format docs clean
