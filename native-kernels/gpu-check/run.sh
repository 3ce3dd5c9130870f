#!/bin/sh
# Checks the CUDA backend on this machine's first GPU, within ten minutes: sh run.sh [--help | OPTIONS]
# It lies in the folder that prepare.sh makes.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
command -v python3 >/dev/null 2>&1 || {
  echo 'gpu-check: no python3; it has to be one with PyTorch' >&2
  exit 1
}
PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 exec python3 "$here/gpu_check.py" "$@"
