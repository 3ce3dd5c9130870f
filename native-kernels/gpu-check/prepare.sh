#!/bin/sh
# Makes the folder that is carried to a machine with a GPU: a trimmed Java runtime, the jars, the kernels, golden cases
# and the scripts. There, `sh run.sh` needs a driver and PyTorch, and neither a JDK, Maven nor a network.
#
#   prepare.sh FOLDER
#
# Needs a JDK (17 or later, with jlink), Maven, unzip, and nvcc for the kernels. MAVEN_ARGS may hold more arguments for
# Maven, such as -o.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../.." && pwd)
limit_mib=60

refuse() {
  printf 'gpu-check prepare: %s\n' "$1" >&2
  exit "${2:-1}"
}

[ $# = 1 ] || refuse 'usage: prepare.sh FOLDER' 2
case $1 in
/*) folder=$1 ;;
*) folder=$PWD/$1 ;;
esac
if [ -e "$folder" ] && [ ! -f "$folder/jdk/release" ] && [ -n "$(ls -A "$folder" 2>/dev/null)" ]; then
  refuse "$folder is there and was not made by this script; name another folder" 2
fi

jlink=jlink
[ -n "${JAVA_HOME:-}" ] && jlink=$JAVA_HOME/bin/jlink
for tool in "$jlink" mvn unzip; do
  command -v "$tool" >/dev/null 2>&1 || refuse "no $tool"
done

cd "$root"
libraries=$root/native-kernels/target/gpu-check-jars
rm -rf "$libraries"
# shellcheck disable=SC2086 # the arguments are words
mvn -q -B ${MAVEN_ARGS:-} -DskipTests -pl native-kernels,pbs-attn-djl package \
  org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DincludeScope=test \
  -DincludeArtifactIds=jna,jcuda,jcuda-natives,gson,slf4j-api,slf4j-simple,api -DoutputDirectory="$libraries" >&2 ||
  refuse 'the build failed (above)'
kernels=$root/native-kernels/target/classes/native/cuda
classes=$root/pbs-attn-djl/target/classes
tests=$root/pbs-attn-djl/target/test-classes
[ -f "$kernels/pbs_cuda.fatbin" ] || refuse 'the build left CUDA out; it needs nvcc (CUDA 12.8 or later)'

rm -rf "$folder"
mkdir -p "$folder/jars" "$folder/lib" "$folder/golden"

# The backend alone: what it shares with the other classes, and no libtorch.
mkdir "$folder/classes"
(cd "$classes" && find io/pbsattn -maxdepth 1 -name '*.class' && find io/pbsattn/backend io/pbsattn/torch io/pbsattn/util -name '*.class') |
  (cd "$classes" && tar cf - -T -) | tar xf - -C "$folder/classes"
(cd "$tests" && find io/pbsattn/backend/cuda -name 'GpuCheck*.class' | tar cf - -T -) | tar xf - -C "$folder/classes"
mkdir -p "$folder/classes/native"
cp -R "$kernels" "$folder/classes/native/cuda"
jar=$(dirname "$(command -v "$jlink")")/jar
"$jar" --create --file "$folder/jars/pbs-attn.jar" -C "$folder/classes" .
rm -rf "$folder/classes"

cp "$libraries"/*.jar "$folder/jars/"
natives=$(ls "$folder"/jars/jcuda-natives-*.jar)
unzip -q -j "$natives" 'lib/libJCudaDriver-*' -d "$folder/lib" # what else is in it is large and of no use here
rm "$natives"

"$jlink" --add-modules java.base,java.logging,java.xml,java.management,jdk.unsupported \
  --strip-debug --no-header-files --no-man-pages --compress=2 --output "$folder/jdk" 2>/dev/null || refuse 'jlink failed'

command -v strip >/dev/null 2>&1 && strip --strip-unneeded "$folder/jdk/lib/server/libjvm.so"

cp "$root"/pbs-attn-djl/src/test/resources/golden/operator/* "$folder/golden/"
cp "$here"/*.py "$here/run.sh" "$folder/"

size=$(du -sm "$folder" | cut -f 1)
[ "$size" -lt $limit_mib ] || refuse "$folder has $size MiB, and is to stay below $limit_mib"
printf 'gpu-check: %s is ready, %s MiB; on a machine with a GPU: sh run.sh\n' "$folder" "$size"
