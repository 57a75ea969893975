#!/usr/bin/env bash
# shell_test.sh WEB: the sources type-check, and make the shell that is committed, byte for byte.
set -euo pipefail
cd "$1"
[ -e node_modules/.installed ] || { echo "skipped: the modules are not installed"; exit 77; }
node_modules/.bin/tsc --noEmit
node build.mjs --check
(cd dist && sha256sum --check --quiet SHA256SUMS)
