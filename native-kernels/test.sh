#!/bin/sh
# Builds and runs the tests of the C interface, under AddressSanitizer and UndefinedBehaviorSanitizer.
set -eu
source_dir=$(cd "$(dirname "$0")" && pwd)
build=$source_dir/target/test
if ! command -v cmake >/dev/null 2>&1 || ! command -v c++ >/dev/null 2>&1; then
  echo 'tests of the native kernels NOT run: no CMake or C++ compiler' >&2
  exit 0
fi
mkdir -p "$build"
cmake -S "$source_dir" -B "$build" -DPBS_ATTN_TESTS=ON -DPBS_ATTN_SANITIZE=ON >"$build/build.log" 2>&1 &&
  cmake --build "$build" --parallel 2 >>"$build/build.log" 2>&1 || {
  cat "$build/build.log" >&2
  exit 1
}
cd "$build"
ctest --output-on-failure
