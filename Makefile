GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
FUZZTIME ?= 10m
COUNT   ?= 1

build = CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)'
space := $(subst ,, )
# The race detector needs a C compiler.
race := $(if $(filter 1,$(shell $(GO) env CGO_ENABLED)),-race)

.PHONY: help build build-windows build-all man packages packages-windows demo test test-vm test-windows test-packages test-driver test-integration test-page linuxpe-demo test-initramfs bench lint fuzz mutants clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/ilod and bin/ilosim for this machine
	$(build) -o bin/ ./cmd/ilod ./cmd/ilosim

build-windows: ## build ilod.exe into build/dist
	GOOS=windows GOARCH=amd64 $(build) -o build/dist/ilod-windows-amd64.exe ./cmd/ilod

build-all: build-windows ## build ilod for every platform into build/dist
	GOOS=linux GOARCH=amd64 $(build) -o build/dist/ilod-linux-amd64 ./cmd/ilod
	GOOS=linux GOARCH=arm64 $(build) -o build/dist/ilod-linux-arm64 ./cmd/ilod
	@large=$$(find build/dist -name 'ilod-linux-*' -size +18000000c -o -name '*.exe' -size +19000000c); \
		test -z "$$large" || { echo "over 18 MB, or 19 for Windows:" $$large; exit 1; }

man: ## write the manual into build/man
	rm -rf build/man
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} CGO_ENABLED=0 $(GO) run -trimpath -tags manual ./cmd/ilod internal man build/man

# Without a tag, make a version that the packages' tools can still compare.
package_version = $(if $(filter v0% v1% v2%,$(VERSION)),$(subst -,+,$(VERSION)),0.0.0~$(shell git log -1 --format=%cd.%h --date=format:%Y%m%d%H%M%S))

packages: build build-all man ## make deb, rpm and tar.gz for amd64 and arm64 in build/packages
	packaging/build.sh '$(package_version)' amd64 arm64

packages-windows: build-windows ## make msi and zip in build/windows, signed if SIGN_CERT and SIGN_KEY say so
	packaging/windows/build.sh '$(package_version)'

demo: build ## show ilod at work on a simulated iLO
	cmd/ilosim/demo.sh bin

# Tests that walk through whole trees in one goroutine. The race detector can find
# nothing there and makes them ten times as slow, so they run without it.
walks = ^($(subst $(space),|,TestAQueryBringsNoMoreThanPlainReads TestRecursiveReadsHoldNoSessions TestWhatLooksSecretIs \
	TestTagsOfRealTreesTellBodiesApart TestNoReadIsOlderThanAnAction TestNoReadIsOlderThanAWriteToWhatItShows \
	TestOneBadResourceDoesNotHideTheRest TestSaveThenLoad))$$

test: ## run the tests; ILOD_TESTDATA names the trees of real servers
	$(if $(race),,@echo 'no C compiler: testing without the race detector')
	$(GO) test $(race) $(if $(race),-skip '$(walks)') -shuffle=on -timeout 60m ./cmd/ilod ./... # the longest first: it waits most of its time
	$(if $(race),$(GO) test -shuffle=on -run '$(walks)' -timeout 60m ./...)

test-vm: ## run ilod on the real hpilo driver in a virtual machine
	ILOD_TEST_VM=1 $(GO) test -count=1 -v -timeout 45m ./chif/chiftest/vm/...

test-packages: packages ## check the packages, and use one on a booted Debian; needs root
	ILOD_TEST_PACKAGES=1 $(GO) test -count=1 -v -timeout 45m -run 'Configuration|Confinement|Scripts|Lint|RPM|OtherArchitecture|Booted' ./packaging/

test-driver: packages ## use the package on a booted Debian with the real hpilo driver; needs root
	ILOD_TEST_DRIVER=1 $(GO) test -count=1 -v -timeout 45m -run TestDriver ./packaging/

test-integration: build ## use ilod from Puppet, Chef and Ansible on simulated servers
	ILOD_TEST_INTEGRATION=1 $(GO) test -count=1 -v -timeout 45m ./packaging/ -run 'Host|Puppet|Chef|Ansible'

test-page: build ## use the web page in headless Chromium, alone and in Cockpit
	ILOD_TEST_PAGE=1 $(GO) test -count=1 -v -timeout 10m -run TestThePageIn ./cmd/ilod

linuxpe-demo: ## deploy a server from an initrd without disk, on the real hpilo driver
	ILOD_TEST_LINUXPE=1 $(GO) test -count=1 -v -timeout 45m -run 'TestOverlay|TestDemo' ./packaging/linuxpe

test-initramfs: ## make images with dracut and initramfs-tools, and boot them; needs root
	ILOD_TEST_INITRAMFS=1 $(GO) test -count=1 -v -timeout 45m -run TestInitramfs ./packaging/linuxpe

# Without packages whose tests serve Unix sockets, or run only on Linux.
windows_packages = $$($(GO) list ./agent/... ./cache ./chif/... ./platform/... | grep --invert-match -e /gateway -e /chiftest/vm -e /chiftest/wine)

test-windows: build-windows ## run ilod.exe, its tests and what is packed of it under Wine
	chif/chiftest/wine/with env --unset=ILOD_TEST_STRICT --unset=ILOD_TESTDATA sh -c '$(GO) test -count=1 -v ./chif/chiftest/wine && \
		GOOS=windows CGO_ENABLED=0 $(GO) test -count=1 -vet=off -timeout 45m -overlay="$$ILOD_TEST_OVERLAY" \
			-exec "$(CURDIR)/chif/chiftest/wine/run" -skip "$(shell sed "s/ .*//" chif/chiftest/wine/left-out | paste --serial --delimiters="|")" \
			$(windows_packages) && \
		GOOS=windows CGO_ENABLED=0 $(GO) test -count=1 -vet=off -overlay="$$ILOD_TEST_OVERLAY" \
			-exec "$(CURDIR)/chif/chiftest/wine/run" -run "^TestWindows" ./cmd/ilod/agentsocket'
	chif/chiftest/wine/with $(GO) test -count=1 -v -timeout 45m -run 'WinPE|Windows' ./packaging/

bench: ## measure; each benchmark compares medians of one run
	$(GO) test -run '^$$' -bench . -benchmem -count=$(COUNT) ./...

# Compile as build does, so that build need not compile again.
lint: export CGO_ENABLED = 0
lint: export GOFLAGS = -trimpath
lint: ## check format, go vet, staticcheck and sizes, for Linux and Windows, and that 32 bits compile
	@files=$$(gofmt -l .); test -z "$$files" || { echo "gofmt: $$files"; exit 1; }
	GOOS=linux $(GO) vet ./...
	GOOS=windows $(GO) vet ./...
	$(GO) vet -tags manual ./cmd/ilod # which the program leaves out
	GOOS=linux GOARCH=386 $(GO) vet ./chif ./platform
	GOOS=linux GOARCH=arm $(GO) build -o /dev/null ./cmd/ilod
	$(GO) tool staticcheck ./...
	$(GO) test -count=1 -run TooLong ./packaging

fuzz: ## run each fuzz target for FUZZTIME
	@set -e; for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

# The packages whose rules keep the promises. Each is its own tier, and ends within
# 20 minutes on two cores.
MUTANTS ?= agent/ilosession agent/gateway agent/transaction agent/freshness agent/clients agent/schedule cache chif platform cmd/ilod cmd/ilod/doctor cmd/ilod/script cmd/ilod/terminal

mutants: ## put faults into the packages of MUTANTS and count those that their tests notice
	ILOD_TEST_MUTANTS='$(MUTANTS)' $(GO) test -count=1 -v -timeout 5h -run TestMutants ./packaging

clean: ## remove what was built
	rm -rf bin build
