# Two commands are all that is needed: `make run` and `make test`. See README.md.
SHELL := /bin/bash
GO    ?= go
# Where the tests find a Node and an npm that suit them: the machine's own, or those that .ci/deps installed.
TOOLS = PATH="$$(bash .ci/deps --path)"
export CGO_ENABLED = 0
BINARIES := wormbell wormbelld wormbell-tray
# On macOS the tray's icon needs the command-line tools; without them it builds, and says so when it is started.
TRAY_CGO = $(if $(filter Darwin,$(shell uname)),$(if $(shell command -v cc),1,0),0)
# In runs, not seconds: a deadline that comes while a worker is busy counts as a failure.
FUZZTIME ?= 20000x

# gotest runs the tests of packages $(2) with the flags $(1), verbose or quiet ($(3)). With RERUN=1, as .ci/run has it,
# up to two tests of a suite that fail get a second chance, and are named at its end: the machines there are shared, and
# what starves once must not keep everything from landing. Data races, panics and a third failing test get none.
ifdef RERUN
gotest = $(GO) tool -modfile=.ci/tools.mod gotestsum --format standard-$(3) --rerun-fails=1 --rerun-fails-max-failures=2 \
  --rerun-fails-run-root-test --rerun-fails-abort-on-data-race --packages="$(2)" -- $(1)
else
gotest = $(GO) test $(if $(filter verbose,$(3)),-v) $(2) $(1)
endif

# Otherwise every process that ends sleeps for a second first, in case another thread of it has a race to report: most
# of these are a test's children, whose races the test's own run would show.
RACE = CGO_ENABLED=1 GORACE=atexit_sleep_ms=0

.PHONY: all build run test test-long test-all unit race race-respond fuzz e2e e2e-long machine zoo clean-day cross vet generate bpf bench bench-notify packages packages-check clean

all: build

build:
	$(GO) build -trimpath -o bin/ $(patsubst %,./cmd/%,$(filter-out wormbell-tray,$(BINARIES)))
	CGO_ENABLED=$(TRAY_CGO) $(GO) build -trimpath -o bin/ ./cmd/wormbell-tray

# Guards this machine in the foreground and prints alerts as they come: as root if that needs no password, else as you.
run: build
	@if [ "$$(id -u)" = 0 ]; then exec bin/wormbell run; \
	elif sudo -n true 2>/dev/null; then exec sudo bin/wormbell run; \
	else echo "Running as $$(id -un): who reads a credential cannot be seen. 'sudo make run' sees it."; exec bin/wormbell run; fi

# Each part says what it took: what grows is seen where it grows.
part = @$(MAKE) --no-print-directory $(1); s=$$?; echo "$(1): $$SECONDS s"; exit $$s

test:
	@bash .ci/deps
	$(call part,vet)
	$(call part,cross)
	$(call part,unit)
	$(call part,race)
	$(call part,fuzz)
	$(call part,e2e)

# Longer suites: the rotations under the race detector, the end-to-end tests' longer variants. More fuzzing is FUZZTIME=50000x.
test-long:
	$(call part,race-respond)
	$(call part,e2e-long)

race-respond:
	@if command -v gcc >/dev/null; then $(TOOLS) $(RACE) $(call gotest,-race -short -timeout 20m,./agent/respond,quiet); fi

e2e-long:
	$(TOOLS) $(call gotest,-count=1 -timeout 40m -args -long,./internal/e2e,quiet)

test-all: test test-long machine

vet:
	@out=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go')); [ -z "$$out" ] || { echo "gofmt would change: $$out"; exit 1; }
	$(GO) vet ./...

# The same programs for the other systems; polling sensors there for now.
cross:
	@set -e; for t in linux/arm64 darwin/arm64 windows/amd64; do echo "build and vet for $$t"; \
	  GOOS=$${t%/*} GOARCH=$${t#*/} $(GO) build -o /dev/null ./cmd/wormbell; \
	  GOOS=$${t%/*} GOARCH=$${t#*/} $(GO) build -o /dev/null ./cmd/wormbelld; \
	  GOOS=$${t%/*} GOARCH=$${t#*/} $(GO) build -o /dev/null ./cmd/wormbell-tray; \
	  GOOS=$${t%/*} GOARCH=$${t#*/} $(GO) vet ./...; done

# What was skipped is listed with the reason; of a failure, everything but the tests that passed. One package at a
# time: several watch the whole file system, and each would see the files of the others.
unit:
	@log=$$(mktemp); failed=0; \
	$(TOOLS) $(call gotest,-count=1 -p 1 -timeout 20m,$$($(GO) list ./... | grep -vE '/internal/(e2e|vm)(/|$$)'),verbose) >$$log 2>&1 || failed=1; \
	if [ $$failed = 1 ]; then grep -vE '^ *(=== |--- PASS|PASS$$)' $$log; else grep -E '^(ok|\?)' $$log; sed -n '/^=== Failed/,$$p' $$log; fi; \
	n=$$(grep -cE '^ *--- SKIP' $$log); [ "$$n" = 0 ] || { echo "skipped $$n tests, for these reasons:"; \
	  grep -E '_test\.go:[0-9]+: .*(needs|need root|no npm|no node|not installed|refused|for fanotify|no file systems|cannot (re)?mount)' $$log | \
	  sed -E 's/.*_test\.go:[0-9]+: /  /' | sort | uniq -c; }; rm -f $$log; exit $$failed

race:
	@if command -v gcc >/dev/null; then \
	$(TOOLS) $(RACE) $(call gotest,-count=1 -race -p 1 -timeout 12m,$$($(GO) list ./agent/... ./watchers/... ./internal/mask ./internal/publish | grep -v '/agent/respond$$'),quiet) && \
	$(TOOLS) $(RACE) $(call gotest,-count=1 -race -short -timeout 5m,./tray ./tray/icons/...,quiet); \
	else echo "race: skipped, there is no C compiler (gcc)"; fi

# Some runs of every fuzz target.
fuzz:
	@set -e; grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do \
	  for f in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' "$$dir"/*_test.go | cut -d' ' -f2); do echo "fuzz $$dir $$f"; \
	    $(GO) test -run='^$$' -fuzz="^$$f$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=1000x "$$dir" >/tmp/wormbell-fuzz.$$$$ 2>&1 || { cat /tmp/wormbell-fuzz.$$$$; exit 1; }; rm -f /tmp/wormbell-fuzz.$$$$; done; done

# The real programs against the real npm and a registry on loopback.
e2e:
	$(TOOLS) $(call gotest,-count=1 -timeout 12m,./internal/e2e,verbose) | grep --line-buffered -Ev '^(=== (RUN|PAUSE|CONT|NAME))' ; exit $${PIPESTATUS[0]}

# Packages and units on a machine of their own with systemd (internal/vm), as root; it takes minutes, and says what each part took.
machine:
	@bash .ci/deps
	$(TOOLS) $(call gotest,-count=1 -p 1 -timeout 60m,./internal/vm ./internal/e2e/machine,verbose) | grep --line-buffered -Ev '^ *(=== (RUN|PAUSE|CONT|NAME))' ; exit $${PIPESTATUS[0]}

# Inert worms in variations before the real agent, as root: N of each campaign from SEED on. See docs/zoo.md.
zoo: build
	@bash .ci/deps
	$(TOOLS) $(GO) run ./internal/zoo -n $(or $(N),24) -seed $(or $(SEED),0) $(if $(MUTATORS),-mutators $(MUTATORS)) $(if $(CAMPAIGN),-campaign $(CAMPAIGN))

# Working days without a worm before the real agent, as root: DAYS of them, TOGETHER at a time, in orders from SEED on. See docs/clean-day.md.
clean-day: build
	@bash .ci/deps
	$(TOOLS) $(GO) run ./internal/cleanday -days $(or $(DAYS),1) -seed $(or $(SEED),1) -together $(or $(TOGETHER),1) -times $(if $(ONLY),-only $(ONLY))

generate:
	$(GO) run ./internal/generate

# The program that the agent loads into the kernel. It is in the repository as it is made here; a test compares the two.
bpf:
	$(GO) generate ./watchers/internal/execring

bench: build
	$(TOOLS) $(GO) run ./internal/bench

# Alert until its notification is on a screen, and what the tray takes while nothing happens.
bench-notify: build
	$(GO) run ./internal/bench -only notify

# Everything that is published of the commit that is checked out, into dist: see docs/release.md.
packages:
	$(GO) run ./internal/release -out dist $(if $(VERSION),-version $(VERSION))

# Builds it twice, in other folders and with a cache of its own, and compares every byte.
packages-check:
	$(GO) run ./internal/release -check $(if $(VERSION),-version $(VERSION))

clean:
	rm -rf bin artifacts dist
