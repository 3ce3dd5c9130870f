#!/bin/sh
# Measures the kernels on one core, beside what its instructions allow; see bench/roofline.cc.
set -eu
source_dir=$(cd "$(dirname "$0")" && pwd)
cmake -S "$source_dir" -B "$source_dir/target/bench" -DPBS_ATTN_BENCH=ON >/dev/null
cmake --build "$source_dir/target/bench" --parallel "$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)" --target roofline >/dev/null
exec "$source_dir/target/bench/roofline"
