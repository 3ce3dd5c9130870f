#!/bin/sh
# Checks the format of the C++ sources, and builds and runs the tests of the C interface: under AddressSanitizer and
# UndefinedBehaviorSanitizer, and for NEON under QEMU, which shows that its results are right and nothing of its speed.
# CUDA kernels are compiled, their machine code is checked, and their sources run on an emulation of a GPU.
# What a machine has no tools for is not run, and said so.
set -eu
source_dir=$(cd "$(dirname "$0")" && pwd)

has() {
  for tool in "$@"; do
    command -v "$tool" >/dev/null 2>&1 || return 1
  done
}

# build FOLDER CMAKE_OPTION...
build() {
  folder=$1
  shift
  mkdir -p "$folder"
  cmake -S "$source_dir" -B "$folder" -DPBS_ATTN_TESTS=ON "$@" >"$folder/build.log" 2>&1 &&
    cmake --build "$folder" --parallel 2 >>"$folder/build.log" 2>&1 || {
    cat "$folder/build.log" >&2
    exit 1
  }
}

# Another version may format otherwise.
if has clang-format && clang-format --version | grep -q 'version 14\.'; then
  clang-format --dry-run --Werror "$source_dir"/cpu/*.cc "$source_dir"/cpu/*.h "$source_dir"/include/*.h \
    "$source_dir"/test/*.cc "$source_dir"/bench/*.cc "$source_dir"/cuda/*.cu "$source_dir"/cuda/*.cuh \
    "$source_dir"/cuda/*.cc "$source_dir"/cuda/*.h "$source_dir"/test/cuda/*.cc "$source_dir"/test/cuda/*.h
else
  echo 'format of the C++ sources NOT checked: no clang-format 14' >&2
fi

sh "$source_dir/test/cuda/check_build.sh" "$source_dir/target"

if ! has cmake c++; then
  echo 'tests of the native kernels NOT run: no CMake or C++ compiler' >&2
  exit 0
fi
build "$source_dir/target/test" -DPBS_ATTN_SANITIZE=ON
(cd "$source_dir/target/test" && ctest --output-on-failure)

if has aarch64-linux-gnu-g++ qemu-aarch64-static; then
  build "$source_dir/target/test-aarch64" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
    -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ \
    '-DCMAKE_CROSSCOMPILING_EMULATOR=qemu-aarch64-static;-L;/usr/aarch64-linux-gnu'
  (cd "$source_dir/target/test-aarch64" && ctest --output-on-failure --tests-regex '^(neon|layer_neon|dispatch)$')
else
  echo 'NEON kernels NOT built or tested: no aarch64-linux-gnu-g++ or qemu-aarch64-static' >&2
fi
