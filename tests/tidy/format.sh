#!/usr/bin/env bash
# Every C++ file is as clang-format leaves it. To mend: clang-format -i FILE
set -euo pipefail
cd "${1:?usage: format.sh ROOT}"
find history checker workloads nemesis reports adapters tests \( -name '*.cpp' -o -name '*.hpp' \) -print0 |
  xargs -0 clang-format --dry-run --Werror
