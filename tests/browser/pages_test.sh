#!/usr/bin/env bash
# pages_test.sh REPORTS_TEST WEB OUT: writes the sample pages and looks at them in a browser.
set -euo pipefail
reports_test=$1 web=$2 out=$3
[ -e "$web/node_modules/.installed" ] || { echo "skipped: the modules are not installed"; exit 77; }
command -v chromium >/dev/null || { echo "skipped: chromium is not installed"; exit 77; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rm -rf "$out"
mkdir -p "$out/pages" "$out/screenshots"
FL_SAMPLES="$out/pages" "$reports_test" --gtest_filter='Samples.*' --gtest_brief=1
FAULTLINE_NODE_MODULES="$web/node_modules" node "$here/pages_test.mjs" "$out/pages" "$out/screenshots"
