# make run      sets up everything and shows the main job
# make test     sets up everything and runs every test
# make check    format, import directions, generated docs
# make micro    counts allocations and instructions of the hot paths against their limits
# make soak     64 clients on the registry for two minutes, with an optimised binary
# make install  builds and installs the binary, man pages and completions (PREFIX=/usr/local)
PREFIX ?= /usr/local
RELEASE = -c release --static-swift-stdlib --product strata

.PHONY: run test check micro soak release install docs bench fuzz clean

run: release
	scripts/demo

test:
	scripts/bootstrap test
	scripts/test

check:
	scripts/bootstrap build
	scripts/check

micro:
	scripts/bootstrap test
	scripts/check-micro

soak: release
	swift build --build-tests
	STRATA_BINARY="$$(swift build $(RELEASE) --show-bin-path)/strata" STRATA_SOAK_SECONDS=120 \
		swift test --skip-build --filter RegistrySoakTests

release:
	scripts/bootstrap run
	swift build $(RELEASE)

install: release
	install -D -m 0755 "$$(swift build $(RELEASE) --show-bin-path)/strata" "$(DESTDIR)$(PREFIX)/bin/strata"
	scripts/install-docs "$$(swift build $(RELEASE) --show-bin-path)/strata" "$(DESTDIR)$(PREFIX)"

docs:
	scripts/generate-docs

bench:
	Benchmarks/run

fuzz:
	scripts/fuzz 60

clean:
	rm -rf .build
