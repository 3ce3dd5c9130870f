#!/bin/sh
# Checks the format of the C++ sources, and builds and runs the tests of the C interface: under AddressSanitizer and
# UndefinedBehaviorSanitizer, and for NEON under QEMU, which shows that its results are right and nothing of its speed.
# CUDA kernels are compiled, their machine code is checked, and their sources run on an emulation of a GPU.
# What a machine has no tools for is not run, and said so, or fails; see require.sh.
set -eu
source_dir=$(cd "$(dirname "$0")" && pwd)
. "$source_dir/require.sh"
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

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
    cmake --build "$folder" --parallel "$jobs" >>"$folder/build.log" 2>&1 || {
    cat "$folder/build.log" >&2
    exit 1
  }
}

# Another version may format otherwise.
format=
for tool in clang-format-14 clang-format; do
  if has "$tool" && "$tool" --version | grep -q 'version 14\.'; then format=$tool; fi
done
if [ -n "$format" ]; then
  "$format" --dry-run --Werror "$source_dir"/cpu/*.cc "$source_dir"/cpu/*.h "$source_dir"/include/*.h \
    "$source_dir"/test/*.cc "$source_dir"/test/*.h "$source_dir"/bench/*.cc "$source_dir"/cuda/*.cu \
    "$source_dir"/cuda/*.cuh "$source_dir"/cuda/*.cc "$source_dir"/cuda/*.h "$source_dir"/test/cuda/*.cc \
    "$source_dir"/test/cuda/*.h
else
  skip clang-format 'Format of the C++ sources NOT checked. Missing: clang-format 14.'
fi

sh "$source_dir/test/cuda/check_build.sh" "$source_dir/target"

if ! has cmake c++; then
  skip cpu 'Tests of the native kernels NOT run. Missing: CMake or a C++ compiler.'
  skip neon 'NEON kernels NOT built or tested. Missing: CMake or a C++ compiler.'
  exit 0
fi
# AMX's tiles are emulated where the CPU has what that takes, and no AMX.
emulated_tiles=OFF
if grep -qw avx512_bf16 /proc/cpuinfo 2>/dev/null && ! grep -qw amx_bf16 /proc/cpuinfo; then emulated_tiles=ON; fi
build "$source_dir/target/test" -DPBS_ATTN_SANITIZE=ON -DPBS_ATTN_EMULATED_TILES=$emulated_tiles
(cd "$source_dir/target/test" && ctest --output-on-failure --parallel "$jobs")

if has aarch64-linux-gnu-g++ qemu-aarch64-static; then
  build "$source_dir/target/test-aarch64" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
    -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ \
    '-DCMAKE_CROSSCOMPILING_EMULATOR=qemu-aarch64-static;-L;/usr/aarch64-linux-gnu'
  (cd "$source_dir/target/test-aarch64" && ctest --output-on-failure --parallel "$jobs" \
    --tests-regex '^(neon|layer_neon|logits_neon|dispatch|block_geometry)$')
else
  skip neon 'NEON kernels NOT built or tested. Missing: aarch64-linux-gnu-g++ or qemu-aarch64-static.'
fi
