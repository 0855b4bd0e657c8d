#!/usr/bin/env bash
# Bundles the page of `artifactfs ui`: cmd/artifactfs/ui/web into the directory DIST, which
# is cmd/artifactfs/ui/dist if none is named. The result is committed: building the program
# needs no npm. What it is bundled with, and by, lies in bin/ui; `ui.sh --deps` stops there.
set -euo pipefail
cd "$(dirname "$0")/.."
web=cmd/artifactfs/ui/web
dist="${1:-cmd/artifactfs/ui/dist}"
cytoscape=bin/ui/node_modules/cytoscape

if ! cmp -s "$web/package-lock.json" bin/ui/installed; then
  rm -rf bin/ui
  mkdir -p bin/ui
  cp "$web/package.json" "$web/package-lock.json" bin/ui/
  npm ci --prefix bin/ui --ignore-scripts --no-audit --no-fund --loglevel error </dev/null >/dev/null
  cp "$web/package-lock.json" bin/ui/installed # last: its being there says the rest is
fi

[ "$dist" != --deps ] || exit 0

mkdir -p "$dist"
NODE_PATH=bin/ui/node_modules node bin/ui/node_modules/esbuild/bin/esbuild "$web/src/app.js" "$web/src/app.css" \
  --bundle --minify --format=iife --target=es2022 --charset=ascii --legal-comments=none --log-level=warning --outdir="$dist"
cp "$web/src/icon.svg" "$dist/"
{
  printf 'The page of artifactfs ui is made with cytoscape %s, whose licence is:\n\n' \
    "$(node -p "require('./$cytoscape/package.json').version")"
  cat "$cytoscape/LICENSE"
} >"$dist/LICENSES.txt"
