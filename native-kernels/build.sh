#!/bin/sh
# Builds the kernels and packs them as resources; called by Maven.
#
#   build.sh TARGET_DIR CLASSIFIER
#
# Without CMake or a C++ compiler it says so and succeeds: models then run the dense attention of PyTorch. Where
# PBS_REQUIRE names `cpu` it fails; see require.sh.
set -eu

source_dir=$(cd "$(dirname "$0")" && pwd)
. "$source_dir/require.sh"
target=$1
classifier=$2
build=$target/cmake
packed=$target/classes/native/lib/$classifier/cpu

sh "$source_dir/cuda/build.sh" "$target"

missing=
command -v cmake >/dev/null 2>&1 || missing="$missing cmake"
command -v "${CXX:-c++}" >/dev/null 2>&1 || command -v g++ >/dev/null 2>&1 || command -v clang++ >/dev/null 2>&1 ||
  missing="$missing C++-compiler"
command -v make >/dev/null 2>&1 || command -v ninja >/dev/null 2>&1 || missing="$missing make"
if [ -n "$missing" ]; then
  rm -rf "$packed"
  skip cpu "Native kernels left out; missing:$missing. Models run the dense attention of PyTorch, in float32."
  exit 0
fi

log=$target/build.log
mkdir -p "$target"
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
if ! { cmake -S "$source_dir" -B "$build" -DCMAKE_BUILD_TYPE=Release && cmake --build "$build" --parallel "$jobs"; } \
  >"$log" 2>&1; then
  cat "$log" >&2
  echo "native kernels do not compile (above)" >&2
  exit 1
fi

library=$(ls "$build"/libpbs_attn.so "$build"/libpbs_attn.dylib "$build"/pbs_attn.dll 2>/dev/null | head -n 1)
hash=$(cksum <"$library" | tr ' ' '-')
if command -v sha256sum >/dev/null 2>&1; then
  hash=$(sha256sum <"$library" | cut -d ' ' -f 1)
elif command -v shasum >/dev/null 2>&1; then
  hash=$(shasum -a 256 <"$library" | cut -d ' ' -f 1)
fi
mkdir -p "$packed"
cp "$library" "$packed/"
# The hash names the folder that the library is unpacked to, so that builds do not meet each other's.
printf 'library=%s\nsha256=%s\n' "$(basename "$library")" "$hash" >"$packed/pbs_attn.properties"
