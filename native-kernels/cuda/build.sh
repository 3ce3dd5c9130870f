#!/bin/sh
# Builds the CUDA kernels and packs them as resources; called by ../build.sh.
#
#   build.sh TARGET_DIR
#
# In TARGET_DIR/cuda stay a cubin for each architecture, what the assembler said, and resources.txt: architecture, kernel,
# registers, bytes of stack, of spill stores and of spill loads. Without nvcc it says so and succeeds, unless PBS_REQUIRE
# names it; see ../require.sh.
set -eu

source_dir=$(cd "$(dirname "$0")" && pwd)
. "$source_dir/../require.sh"
include_dir=$source_dir/../include
work=$1/cuda
packed=$1/classes/native/cuda
machines='80 86 89 90a'
later=90 # PTX, for what comes after

if ! command -v nvcc >/dev/null 2>&1 || ! command -v fatbinary >/dev/null 2>&1; then
  rm -rf "$packed"
  skip nvcc 'CUDA kernels left out; missing: nvcc or fatbinary. There is no attention on GPUs in this build.'
  exit 0
fi

newest() { find "$source_dir" "$include_dir"/pbs_cuda* -type f -newer "$1" -print | head -n 1; }
if [ -f "$packed/pbs_cuda.json" ] && [ -f "$work/resources.txt" ] && [ -z "$(newest "$packed/pbs_cuda.json")" ]; then
  exit 0
fi

rm -rf "$work" "$packed"
mkdir -p "$work" "$packed"
: >"$work/started" # sources that change from now on are newer than the manifest

# All sources in one file, each header where it is first included; those of the emulation are not there.
awk -v folders="$source_dir $include_dir" '
  function put(name,    path, line, n, i, parts) {
    n = split(folders, parts, " ")
    for (i = 1; i <= n; ++i) {
      path = parts[i] "/" name
      if ((getline line < path) > 0) {
        do {
          if (match(line, /^#include "[^"]*"/)) {
            include(substr(line, 11, RLENGTH - 11))
          } else {
            print line
          }
        } while ((getline line < path) > 0)
        close(path)
        return
      }
    }
  }
  function include(name) {
    if (name in seen) return
    seen[name] = 1
    put(name)
  }
  BEGIN { include("pbs_cuda.cu") }' >"$packed/pbs_cuda.cu"

# One architecture; the sources are those that NVRTC gets.
compile() {
  case $1 in
  ptx) nvcc -std=c++17 -ptx -arch="compute_$later" -o "$work/$later.ptx" "$packed/pbs_cuda.cu" ;;
  *) nvcc -std=c++17 -cubin -gencode "arch=compute_$1,code=sm_$1" -Xptxas -v -o "$work/sm_$1.cubin" "$packed/pbs_cuda.cu" ;;
  esac >"$work/$1.log" 2>&1 || touch "$work/failed"
}

# Two at a time, the longest first.
(
  compile 90a
  compile 80
) &
compile 89
compile 86
compile ptx
wait
if [ -f "$work/failed" ]; then
  cat "$work"/*.log >&2
  echo 'CUDA kernels do not compile (above)' >&2
  exit 1
fi

images=
names=
for machine in $machines; do
  images="$images --image3=kind=elf,sm=$machine,file=$work/sm_$machine.cubin"
  names="$names sm_$machine"
  awk -v architecture="sm_$machine" '
    /Compiling entry function/ { split($0, parts, "\047"); kernel = parts[2] }
    /bytes stack frame/ { stack = $1; stores = $5; loads = $9 }
    /Used [0-9]+ registers/ {
      match($0, /Used [0-9]+/)
      print architecture, kernel, substr($0, RSTART + 5, RLENGTH - 5), stack, stores, loads
    }' "$work/$machine.log" >>"$work/resources.txt"
done
# shellcheck disable=SC2086 # the images are words
fatbinary -64 --create="$packed/pbs_cuda.fatbin" $images "--image3=kind=ptx,sm=$later,file=$work/$later.ptx"

"${CXX:-g++}" -std=c++17 -O1 -I"$include_dir" -o "$work/manifest" "$source_dir/manifest.cc"
# shellcheck disable=SC2086
"$work/manifest" "$work/resources.txt" $names "compute_$later" >"$work/pbs_cuda.json"
touch -r "$work/started" "$work/pbs_cuda.json"
mv "$work/pbs_cuda.json" "$packed/"
