#!/usr/bin/env bash
# The top level is fixed: the rooms, what tools need by name, dotfiles and the launcher.
set -euo pipefail
cd "${1:?usage: top_level.sh ROOT}"
entries=$(git -c safe.directory='*' ls-tree --name-only HEAD 2>/dev/null) || { echo "not a git checkout: nothing to look at"; exit 0; }
extra=$(grep -vxE '\..*|CMakeLists\.txt|CMakePresets\.json|LICENSE|README\.md|faultline|adapters|checker|history|nemesis|reports|tests|workloads' <<<"$entries" || true)
[ -z "$extra" ] || { echo "does not belong at the top level: $extra"; exit 1; }
