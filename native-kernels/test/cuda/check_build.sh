#!/bin/sh
# Checks the CUDA kernels as far as that needs no GPU: they compile for every architecture, registers and spills stay
# within bounds.txt, and the machine code has the instructions that the kernels are written for.
#
#   check_build.sh TARGET_DIR
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cuda=$here/../../cuda
work=$1/cuda
. "$here/../../require.sh"

if ! command -v nvcc >/dev/null 2>&1; then
  skip nvcc 'CUDA kernels NOT compiled or checked. Missing: nvcc.'
  exit 0
fi
sh "$cuda/build.sh" "$1"

# No advice of the assembler may pass unseen, such as products that it serialises.
if grep -h -E 'warning|Performance Loss' "$work"/*.log; then
  echo 'FAILED: nvcc warns (above)'
  exit 1
fi

# The first line of the bounds that begins a kernel's name holds.
awk '
  FNR == NR {
    if ($0 !~ /^#/ && NF > 0) { prefix[++count] = $1; registers[count] = $2; spills[count] = $3 }
    next
  }
  {
    for (n = 1; n <= count && index($2, prefix[n]) != 1; ++n) {}
    if (n > count) { print "FAILED: no bounds for " $2; wrong = 1 }
    else if ($3 > registers[n] || $5 > spills[n]) {
      print "FAILED: " $1 " " $2 ": " $3 " registers, " $5 " bytes spilled; at most " registers[n] ", " spills[n]
      wrong = 1
    }
    ++kernels
  }
  END {
    if (kernels == 0) { print "FAILED: no kernels"; wrong = 1 }
    print "registers of " kernels " kernels checked"
    exit wrong
  }' "$here/bounds.txt" "$work/resources.txt"

"${CXX:-g++}" -std=c++17 -O1 -Wall -Wextra -Werror -o "$work/check_cubins" "$here/check_cubins.cc"
"$work/check_cubins" "$work"
