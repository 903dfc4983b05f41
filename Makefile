# Two commands are all that a newcomer needs: make demo, make test.
SHELL := /bin/bash
.DEFAULT_GOAL := help

IMAGE   ?= sshfs-bridge
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOARCH  ?= $(shell go env GOARCH 2>/dev/null)
BIN     := bin/sshfs-bridge
LDFLAGS := -s -w -X main.version=$(VERSION)

# The linter is run by version, so that it is nobody's dependency.
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# -race wherever it can run: it needs cgo and a C compiler, which `prepare` may install first.
RACE = $(shell [ "$$(go env CGO_ENABLED 2>/dev/null)" = 1 ] && command -v "$$(go env CC)" >/dev/null 2>&1 && echo -race)

# One package after the other (-p 1): a mount namespace that one test makes would hold another's mounts.
# The detector sleeps for a second at each exit, and tests start programs by the hundred.
GORACE := GORACE=atexit_sleep_ms=20

.PHONY: help demo build image test unit prepare soak fuzz bench bench-remote bench-smb lint fmt clean

help: ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## build everything and show it working (ARGS=--check ends after the self-check)
	@docker/demo.sh $(ARGS)

build: ## the binary, into bin/
	CGO_ENABLED=0 GOARCH=$(GOARCH) go build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/sshfs-bridge

image: ## the container image
	docker build --build-arg VERSION=$(VERSION) --build-arg GOPROXY="$$(go env GOPROXY 2>/dev/null)" -t $(IMAGE) .

test: prepare ## install what the tests need (Debian or Ubuntu, as root), then run all of them
	go vet ./...
	GOARCH=arm64 CGO_ENABLED=0 go vet ./...
	GOARCH=arm64 CGO_ENABLED=0 go build -o /dev/null ./cmd/sshfs-bridge
	$(GORACE) go test $(RACE) -count=1 -shuffle=on -p 1 -timeout 15m ./...
	go test -count=1 -run 'Allocations' ./fusefs/sftp # the detector allocates, so it cannot count
	go test -count=1 -run 'TestManyFiles$$' ./fusefs # with the detector it has fewer files

unit: ## the tests that need neither root nor network
	go test -short -count=1 ./...

prepare: ## install what the tests need, and say what is missing
	@e2e/prepare.sh

soak: ## ten minutes of copies while the link and the server break (BRIDGE_SOAK=1h for longer)
	set -o pipefail; BRIDGE_SOAK=$${BRIDGE_SOAK:-10m} go test $(RACE) -count=1 -timeout 0 -run 'TestSoak$$|TestSSHD_silence$$' -v ./fusefs/remote | grep -v 'level='

fuzz: ## ten minutes of made-up input to whatever parses (FUZZTIME=5m for each parser)
	set -e; git grep -o '^func Fuzz[A-Za-z]*' -- '*_test.go' | while IFS=: read -r file name; do \
		go test -run '^$$' -fuzz "^$${name#func }$$" -fuzztime $${FUZZTIME:-30s} "./$$(dirname "$$file")"; done

bench: build ## a quarter of an hour: measure us beside sshfs, rclone and a local directory (BENCH_RTT=20 BENCH_RUNS=1 and more: e2e/bench)
	BENCH_BINARY=$(CURDIR)/$(BIN) BENCH_OUT=$(CURDIR)/out go test -run '^$$' -bench '^BenchmarkMounts$$' -benchtime 1x -timeout 0 ./e2e/bench

bench-remote: ## measure the SFTP client alone beside OpenSSH's sftp and pkg/sftp's (five minutes)
	go test -count=1 -run '^$$' -bench '^BenchmarkSSHD$$' -benchtime 1x -timeout 10m ./fusefs/remote

bench-smb: build ## five minutes: measure a share of ours beside sshfs with smbd
	BENCH_BINARY=$(CURDIR)/$(BIN) BENCH_OUT=$(CURDIR)/out go test -run '^$$' -bench '^BenchmarkShares$$' -benchtime 1x -timeout 0 ./e2e/bench

lint: ## golangci-lint with .golangci.yml
	go run $(GOLANGCI) run ./...

fmt: ## gofmt
	gofmt -w $$(git ls-files '*.go')

clean: ## remove what the other targets built
	rm -rf bin out
