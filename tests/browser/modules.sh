#!/usr/bin/env bash
# modules.sh SOURCE TARGET: copies the web sources and installs the modules their lock file names. Exits 77 (skipped) where that cannot be.
set -euo pipefail
source=$1 target=$2
skip() { echo "skipped: $*"; exit 77; }
command -v node >/dev/null || skip "node is not installed"
command -v npm >/dev/null || skip "npm is not installed"
mkdir -p "$target"
for part in src dist; do
  rm -rf "${target:?}/$part"
  cp -r "$source/$part" "$target/$part"
done
cp "$source"/{package.json,package-lock.json,tsconfig.json,build.mjs,.npmrc} "$target/"
# What is installed stays until the lock file changes.
stamp=$target/node_modules/.installed
if ! cmp -s "$target/package-lock.json" "$stamp"; then
  (cd "$target" && npm ci --no-progress --loglevel=error) || skip "npm ci failed: no registry in reach?"
  cp "$target/package-lock.json" "$stamp"
fi
