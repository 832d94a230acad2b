# make help says what there is.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
MAKEFLAGS += --no-print-directory --no-builtin-rules

# The cgo flags live in scripts/env.sh, for make as for everybody.
env := . scripts/env.sh;
version := $(shell git describe --tags --always --dirty 2>/dev/null)
stamp := -X github.com/reactorpipe/reactorpipe/pipeline/app.version=$(version)

# What go test gets on top, as in: make test ARGS='-run TestDrain ./pipeline/graph'
ARGS ?= ./...
FUZZTIME ?= 10s
# and make bench, as in: make bench BENCH='-only decode'
BENCH ?=
# One of the parts of make soak
SOAK ?= $(if $(BENCH),loss)

.PHONY: help setup build run test race fuzz bench soak lint generate check interop dist image

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what building and testing need
	@scripts/setup

build: ## bin/reactorpipe
	@[[ -e bin/reactorpipe ]] || echo "building bin/reactorpipe: the first time takes minutes"
	@$(env) go build -buildvcs=false -ldflags '$(stamp)' -o bin/reactorpipe ./cmd/reactorpipe

run: setup build ## the quickstart: a simulated model, people found in its picture, half a minute
	@bin/reactorpipe run configs/quickstart.yaml --duration 30s

test: setup ## every test
	@$(env) go test -timeout 30m $(ARGS)

# A program under the detector would else sleep a second before it exits, and some tests start hundreds.
race: setup ## every test under the race detector, frames and Mats checked
	@$(env) GORACE="atexit_sleep_ms=20 $${GORACE:-}" GOFLAGS="$$GOFLAGS,framecheck,matprofile" go test -race -timeout 30m $(ARGS)

fuzz: setup ## every fuzz target for FUZZTIME (10s)
	@scripts/fuzz $(FUZZTIME)

bench: ## tables that compare with what people use instead
	@scripts/setup bench
	@$(env) go run ./scripts/bench $(BENCH)

soak: build ## renewals and effects of commands, half an hour (SOAK=session), then the picture under packet loss, hours (SOAK=loss)
	@scripts/setup bench
	@scripts/soak $(SOAK) $(BENCH)

lint: ## gofumpt, go vet and golangci-lint, as setup ci installs them
	@scripts/lint

generate: ## rewrite the files that are made from others
	@$(env) PATH="$$(go env GOPATH)/bin:$$PATH" go generate ./...

interop: setup build ## bin/reactorpipe against the real runtime, where a Python 3.12 is
	@scripts/interop/run

dist: setup ## a .deb and a tarball in dist/, for machines without a compiler
	@scripts/dist

image: ## the container image reactorpipe, from the Dockerfile
	@docker build -t reactorpipe .

check: ## what CI runs
	@.ci/run
