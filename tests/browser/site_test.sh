#!/usr/bin/env bash
# site_test.sh FAULTLINE WEB RUN OUT: serves a folder of three runs made from one run directory, and looks at the site in a browser.
set -euo pipefail
faultline=$1 web=$2 run=$3 out=$4
[ -e "$web/node_modules/.installed" ] || { echo "skipped: the modules are not installed"; exit 77; }
command -v chromium >/dev/null || { echo "skipped: chromium is not installed"; exit 77; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rm -rf "$out"
mkdir -p "$out/runs/register" "$out/screenshots"
for time in 20261120T100000Z 20261121T100000Z 20261121T110000Z; do cp -r "$run" "$out/runs/register/$time"; done
# The first is judged anew and has its page; the second keeps what it said; the third is told to be valid.
"$faultline" report "$out/runs/register/20261120T100000Z" --quiet >/dev/null || [ $? -eq 1 ]
sed -i 's/"verdict": "invalid"/"verdict": "valid"/; s/✗ Not linearizable/✓ Linearizable/; s/"seed": 3/"seed": 4/' \
  "$out/runs/register/20261121T110000Z/verdict.json"
FAULTLINE_NODE_MODULES="$web/node_modules" node "$here/site_test.mjs" "$faultline" "$out/runs" "$out/screenshots"
