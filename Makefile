# Run `make demo` to see it work, `make test` to know that it does.
# Everything here runs on a fresh Debian with Go, git and root; `make deps` installs the rest.

SHELL    := bash
PACKAGES  = $$(go list ./... | grep -v /scripts/)

.PHONY: build ui man install deb demo test unit acceptance lint vet race bench deps clean

build:
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/artifactfs ./cmd/artifactfs

# The page of `artifactfs ui`, made again of cmd/artifactfs/ui/web; the result is committed.
ui:
	scripts/ui.sh

# The manual pages, made of the commands.
man: build
	bin/artifactfs man bin/man

# What a node needs. mount(8) looks for its helpers in /sbin, which is /usr/sbin where the two are one.
PREFIX ?= /usr/local
SBIN   ?= /sbin
install: man
	install -D -m 755 bin/artifactfs $(DESTDIR)$(PREFIX)/bin/artifactfs
	install -d $(DESTDIR)$(SBIN)
	ln -sf $(PREFIX)/bin/artifactfs $(DESTDIR)$(SBIN)/mount.fuse.artifactfs
	ln -sf $(PREFIX)/bin/artifactfs $(DESTDIR)$(SBIN)/umount.fuse.artifactfs
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 bin/man/*.1
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|/usr/local/|$(PREFIX)/|' scripts/systemd/artifactfs@.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/artifactfs@.service
	install -d $(addprefix $(DESTDIR)$(PREFIX)/share/,bash-completion/completions zsh/vendor-completions fish/vendor_completions.d)
	bin/artifactfs completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/artifactfs
	bin/artifactfs completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_artifactfs
	bin/artifactfs completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/artifactfs.fish
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/share/artifactfs/slurm scripts/slurm/*log.sh
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/artifactfs/slurm scripts/slurm/common.sh
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/artifactfs/kubernetes scripts/kubernetes/*.yaml
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/artifactfs/enroot scripts/enroot/*.fstab

# The Debian package, bin/artifactfs_VERSION_ARCH.deb: what install installs, below /usr.
VERSION ?= 0~$(shell git log -1 --format=%cd.%h --date=format:%Y%m%d)
deb: deps
	rm -rf bin/deb
	umask 022; $(MAKE) -s install LDFLAGS='-s -w -X main.version=$(VERSION)' DESTDIR=$(CURDIR)/bin/deb/root PREFIX=/usr SBIN=/usr/sbin
	for f in mount umount; do ln -sf ../bin/artifactfs bin/deb/root/usr/sbin/$$f.fuse.artifactfs; done
	gzip -9n bin/deb/root/usr/share/man/man1/*.1
	VERSION=$(VERSION) GOARCH=$$(go env GOARCH) bin/nfpm package --config scripts/nfpm.yaml --packager deb --target bin

demo: build
	@scripts/deps.sh demo
	@scripts/demo.sh

test: unit acceptance

# Unit tests mount too. Those that need root or /dev/fuse say so and skip without.
unit: deps
	go test -timeout 20m $(PACKAGES)

# What the project promises, against the real binary; one at a time, since some promises are in seconds.
acceptance: deps build
	go test -count=1 -timeout 25m ./scripts/...

# The second line is what a cluster's arm64 nodes get, the third what people look at stores with from a laptop.
vet:
	GOOS=linux GOARCH=amd64 go vet ./...
	GOOS=linux GOARCH=arm64 go vet ./...
	GOOS=darwin GOARCH=arm64 go vet ./...

lint: deps
	@files=$$(git ls-files -- '*.go' | xargs -r gofmt -l); \
	if [ -n "$$files" ]; then printf 'not gofmt-ed:\n%s\n' "$$files"; exit 1; fi
	bin/staticcheck ./...
	cd scripts/kubernetes/schema && go vet . && go test -count=1 .
	shellcheck -x scripts/*.sh scripts/slurm/*.sh scripts/deb/*.sh scripts/acceptance/*.sh .ci/run

# The packages, with their real mounts. A daemon built with -race under the acceptance tests' load takes longer than
# what they promise in seconds: `go test -race -short ./scripts/...` is for a quiet machine and a person who reads it.
race: deps
	go test -race -short -timeout 20m $(PACKAGES)

# BENCH_QUICK=1 for a short run, BENCH_ONLY=remote for a part. Raw output stays in bench/.
bench: deps
	@scripts/deps.sh bench
	go run ./scripts/bench $(if $(BENCH_ONLY),-only $(BENCH_ONLY))

deps:
	@scripts/deps.sh

clean:
	rm -rf bin .venv .venv-wandb-* bench
