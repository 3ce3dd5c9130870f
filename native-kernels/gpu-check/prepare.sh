#!/bin/sh
# Makes the folder that is carried to a machine with a GPU: a trimmed Java runtime, the jars, the kernels, golden cases
# and the scripts. There, `sh run.sh` needs a driver and PyTorch, and neither a JDK, Maven nor a network.
#
#   prepare.sh [--no-build] FOLDER
#
# Needs a JDK (17 or later, with jlink), Maven, and nvcc for the kernels. --no-build takes the build as it is.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../.." && pwd)
limit_mib=60

refuse() {
  printf 'gpu-check prepare: %s\n' "$1" >&2
  exit "${2:-1}"
}

build=yes
if [ "${1:-}" = --no-build ]; then
  build=no
  shift
fi
[ $# = 1 ] || refuse 'usage: prepare.sh [--no-build] FOLDER' 2
folder=$1
[ ! -e "$folder" ] || [ -f "$folder/run.sh" ] || [ -z "$(ls -A "$folder" 2>/dev/null)" ] ||
  refuse "$folder is there and was not made by this script; name another folder" 2

jlink=jlink
[ -n "${JAVA_HOME:-}" ] && jlink=$JAVA_HOME/bin/jlink
for tool in "$jlink" mvn unzip; do
  command -v "$tool" >/dev/null 2>&1 || refuse "no $tool"
done

cd "$root"
[ "$build" = no ] || mvn -q -B -DskipTests -pl native-kernels,pbs-attn-djl package >&2 || refuse 'the build failed (above)'
kernels=$root/native-kernels/target/classes/native/cuda
classes=$root/pbs-attn-djl/target/classes
tests=$root/pbs-attn-djl/target/test-classes
[ -f "$kernels/pbs_cuda.fatbin" ] && [ -f "$kernels/pbs_cuda.json" ] ||
  refuse 'the build left CUDA out; it needs nvcc (CUDA 12.8 or later)'
[ -f "$tests/io/pbsattn/backend/cuda/GpuCheck.class" ] || refuse 'pbs-attn-djl is not built; leave --no-build away'

rm -rf "$folder"
mkdir -p "$folder/jars" "$folder/lib" "$folder/golden"
folder=$(CDPATH= cd -- "$folder" && pwd)

# The backend alone: what it shares with the other classes, and no libtorch.
mkdir "$folder/classes"
(cd "$classes" && find io/pbsattn -maxdepth 1 -name '*.class' && find io/pbsattn/backend io/pbsattn/torch -name '*.class') |
  (cd "$classes" && tar cf - -T -) | tar xf - -C "$folder/classes"
(cd "$tests" && find io/pbsattn/backend/cuda -name 'GpuCheck*.class' | tar cf - -T -) | tar xf - -C "$folder/classes"
mkdir -p "$folder/classes/native"
cp -R "$kernels" "$folder/classes/native/cuda"
jar=$(dirname "$(command -v "$jlink")")/jar
"$jar" --create --file "$folder/jars/pbs-attn.jar" -C "$folder/classes" .
rm -rf "$folder/classes"

mvn -q -B -pl pbs-attn-djl org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
  -DincludeArtifactIds=jna,jcuda,jcuda-natives,gson,slf4j-api,slf4j-simple,api \
  -DincludeGroupIds=net.java.dev.jna,org.jcuda,com.google.code.gson,org.slf4j,ai.djl \
  -DoutputDirectory="$folder/jars" >&2 || refuse 'the libraries could not be copied (above)'
natives=$(ls "$folder"/jars/jcuda-natives-*.jar)
unzip -q -j "$natives" 'lib/libJCudaDriver-*' -d "$folder/lib" # the other libraries in it are large and of no use here
rm "$natives"

"$jlink" --add-modules java.base,java.logging,java.xml,java.management,jdk.unsupported \
  --strip-debug --no-header-files --no-man-pages --compress=2 --output "$folder/jdk" 2>/dev/null || refuse 'jlink failed'

command -v strip >/dev/null 2>&1 && strip --strip-unneeded "$folder/jdk/lib/server/libjvm.so"

cp "$root"/pbs-attn-djl/src/test/resources/golden/operator/* "$folder/golden/"
cp "$here"/*.py "$here/run.sh" "$folder/"

size=$(du -sm "$folder" | cut -f 1)
[ "$size" -lt $limit_mib ] || refuse "$folder has $size MiB, and is to stay below $limit_mib"
printf 'gpu-check: %s is ready, %s MiB; on a machine with a GPU: sh run.sh\n' "$folder" "$size"
