#!/usr/bin/env bash
# The launcher builds what is not built, rebuilds when a source changes, costs little when nothing did, and says why a build failed.
# It is tried on a tiny tree of the same shape, with its own cmake and ninja on the real machine.
# usage: launcher_test.sh ROOT
set -euo pipefail
root=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch"/{history,checker,workloads,nemesis,reports,adapters,.cmake,.ci}
cp "$root/faultline" "$scratch/"
cp "$root"/.ci/{install,packages} "$scratch/.ci/"
grep -E '^run (build-essential|cmake|ninja-build|git)$' "$root/.ci/packages" >"$scratch/.ci/packages"
cp "$root/CMakePresets.json" "$scratch/"
cat >"$scratch/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(tiny LANGUAGES CXX)
add_executable(faultline adapters/main.cpp)
set_target_properties(faultline PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
END
say() { printf '#include <cstdio>\nint main(int n, char** a) { std::printf("%s %%s\\n", n > 1 ? a[1] : ""); return %s; }\n' "$1" "$2" >"$scratch/adapters/main.cpp"; }
expect() { [ "$1" = "$2" ] || { echo "expected '$2', found '$1'"; exit 1; }; }
cd /

say one 0
expect "$("$scratch/faultline" run 2>"$scratch/log")" "one run"
grep -q building "$scratch/log"

expect "$("$scratch/faultline" check 2>"$scratch/log")" "one check"
expect "$(cat "$scratch/log")" ""

# Fresh: well below 50 ms a call. Half the calls may be disturbed by whatever else the machine does.
costs=()
for _ in 1 2 3 4 5 6 7 8 9; do
  begin=$(date +%s%N)
  "$scratch/faultline" >/dev/null
  costs+=($((($(date +%s%N) - begin) / 1000000)))
done
median=$(printf '%s\n' "${costs[@]}" | sort -n | sed -n 5p)
echo "a fresh call costs $median ms"

sleep 1.1 # the resolution of a file's time on some filesystems
say two 7
code=0
expect "$("$scratch/faultline" run 2>"$scratch/log" || echo "exit $?")" "two run
exit 7"
grep -q building "$scratch/log"

sleep 1.1
echo 'int main( {' >"$scratch/adapters/main.cpp"
"$scratch/faultline" run >"$scratch/out" 2>"$scratch/log" || code=$?
expect "$code" 3
expect "$(cat "$scratch/out")" ""
grep -q 'main.cpp.*error' "$scratch/log"
grep -q 'the build failed; the whole log is' "$scratch/log"

# A link to the launcher finds its tree.
say three 0
ln -s "$scratch/faultline" "$scratch/.ci/linked"
expect "$("$scratch/.ci/linked" run 2>/dev/null)" "three run"
