#!/usr/bin/env bash
# Installs what this machine lacks. Silent and offline where nothing is missing.
#   deps.sh demo    only what a mount needs
#   deps.sh         everything that `make test` and `make lint` need
#   deps.sh bench   what `make bench` has beside it: takes minutes to build
set -euo pipefail
cd "$(dirname "$0")/.."

# command:package. A command that is there is enough, whoever installed it.
mount_needs="fusermount3:fuse3"
test_needs="$mount_needs git:git gcc:gcc python3:python3 dash:dash rsync:rsync tar:tar
  setfacl:acl setfattr:attr strace:strace unshare:util-linux findmnt:util-linux mount:mount pgrep:procps nsenter:util-linux setpriv:util-linux fincore:util-linux
  ip:iproute2 systemd-analyze:systemd groff:groff man:man-db ps:procps fio:fio hyperfine:hyperfine bindfs:bindfs rclone:rclone
  node:nodejs npm:npm chromium:chromium crun:crun logrotate:logrotate busybox:busybox-static shellcheck:shellcheck"

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

install_missing() {
  local missing=() pair
  for pair in $1; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
  done
  shift
  missing+=("$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "deps: installing ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  as_root apt-get -qq update </dev/null >/dev/null
  as_root apt-get -qq install --no-install-recommends "${missing[@]}" </dev/null >/dev/null
}

# install_venv DIRECTORY REQUIREMENTS
install_venv() {
  cmp -s "$2" "$1/requirements.txt" && return 0
  echo "deps: making $1" >&2
  rm -rf "$1"
  python3 -m venv "$1"
  "$1/bin/pip" install --quiet --disable-pip-version-check --requirement "$2" </dev/null
  cp "$2" "$1/requirements.txt" # last: its being there says the rest is
}

install_staticcheck() {
  local version=v0.8.2
  [ "$(cat bin/staticcheck.version 2>/dev/null)" = "$version" ] && [ -x bin/staticcheck ] && return 0
  echo "deps: installing staticcheck $version" >&2
  mkdir -p bin
  GOBIN="$PWD/bin" go install "honnef.co/go/tools/cmd/staticcheck@$version"
  echo "$version" >bin/staticcheck.version
}

# install_go NAME PACKAGE VERSION: a server that tests run, into bin.
install_go() {
  [ "$(cat "bin/$1.version" 2>/dev/null)" = "$3" ] && [ -x "bin/$1" ] && return 0
  echo "deps: building $1 $3" >&2
  mkdir -p bin
  # Elsewhere than here: a program of another module has its own versions of all it uses.
  (cd / && GOBIN="$OLDPWD/bin" CGO_ENABLED=0 GOFLAGS=-mod=mod go install "$2@$3")
  echo "$3" >"bin/$1.version"
}

install_azurite() {
  local version=3.37.0
  [ "$(cat bin/azurite/version 2>/dev/null)" = "$version" ] && return 0
  echo "deps: installing azurite $version" >&2
  rm -rf bin/azurite
  mkdir -p bin/azurite
  npm install --prefix bin/azurite --ignore-scripts --no-audit --no-fund --loglevel error "azurite@$version" </dev/null >/dev/null
  echo "$version" >bin/azurite/version
}

case "${1:-}" in
demo)
  install_missing "$mount_needs"
  exit
  ;;
bench)
  install_missing "s3fs:s3fs"
  # Debian's rclone is old, and has no gcsfuse beside it.
  install_go rclone github.com/rclone/rclone v1.76.0
  install_go gcsfuse github.com/googlecloudplatform/gcsfuse/v3 v3.11.4
  exit
  ;;
esac
venv=()
python3 -c 'import ensurepip' 2>/dev/null || venv=(python3-venv)
install_missing "$test_needs" ${venv[@]+"${venv[@]}"}
# Those wait for their registries, the others for the compiler.
others() {
  install_venv .venv scripts/requirements.txt
  local sdk
  for sdk in 0.31 0.23; do # what wandb/wandbtest is held to
    install_venv .venv-wandb-$sdk scripts/requirements-wandb-$sdk.txt
  done
  install_azurite
  # The page of `artifactfs ui`: a test bundles it again.
  [ -s bin/ui/installed ] || echo "deps: installing what the page is made with" >&2
  scripts/ui.sh --deps
}
others &
others=$!
trap 'kill "$others" 2>/dev/null || true' EXIT
install_staticcheck
# The object stores of internal/store/bucket/buckettest.
install_go versitygw github.com/versity/versitygw/cmd/versitygw v1.8.0
install_go fake-gcs-server github.com/fsouza/fake-gcs-server v1.56.1
# What makes the Debian package. Later releases need modules that the public proxy does not give.
install_go nfpm github.com/goreleaser/nfpm/v2/cmd/nfpm v2.43.4
wait "$others"
