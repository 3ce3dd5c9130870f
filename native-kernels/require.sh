# Sourced by build.sh and test.sh. What this machine has no tools for is left out, and said so. Where PBS_REQUIRE names
# the tools, that is a failure: a list with commas or spaces of cpu, nvcc, neon, clang-format; or `all`. jcuda, nvrtc and
# glibc are names of the Java tests.

PBS_REQUIRE=$(printf '%s' "${PBS_REQUIRE:-}" | tr ' ' ',')
for required in $(printf '%s' "$PBS_REQUIRE" | tr ',' ' '); do
  case $required in
  cpu | nvcc | neon | clang-format | jcuda | nvrtc | glibc | all) ;;
  *)
    echo "PBS_REQUIRE: expected cpu, nvcc, neon, clang-format, jcuda, nvrtc, glibc or all, found $required" >&2
    exit 1
    ;;
  esac
done

# skip NAME MESSAGE: the message says what is left out, and what is missing.
skip() {
  case ,$PBS_REQUIRE, in
  *,"$1",* | *,all,*)
    echo "FAILED: PBS_REQUIRE asks for $1. $2" >&2
    exit 1
    ;;
  esac
  echo "$2" >&2
}
