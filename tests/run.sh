#!/bin/sh
# run.sh -- all tests, from a fresh clone: installs what is missing, builds, runs on two Vulkan drivers.
set -eu
cd "$(dirname "$0")/.."
. apps/setup.sh
start=$(date +%s)

LAVAPIPE=/usr/share/vulkan/icd.d/lvp_icd.$(uname -m).json
SWIFTSHADER=$PWD/build/swiftshader/usr/lib/chromium/vk_swiftshader_icd.json

# SwiftShader is a file in chromium's package, which need not be installed for it.
fetch_swiftshader() {
  [ ! -e "$SWIFTSHADER" ] || return 0
  step "Fetching SwiftShader"
  mkdir -p build/swiftshader/deb
  ( cd build/swiftshader/deb && quietly ../../log/swiftshader.txt apt-get -q download chromium-common ) ||
    { quietly build/log/apt-update.txt as_root apt-get -q update
      ( cd build/swiftshader/deb && quietly ../../log/swiftshader.txt apt-get -q download chromium-common ); }
  dpkg-deb --fsys-tarfile build/swiftshader/deb/chromium-common_*.deb |
    tar -x -C build/swiftshader ./usr/lib/chromium/vk_swiftshader_icd.json ./usr/lib/chromium/libvk_swiftshader.so
  rm -r build/swiftshader/deb
}

# tests NAME FOLDER [CTEST OPTION ...]: runs ctest and keeps its counts for the end.
total=0 failed=0
tests() {
  name=$1 folder=$2 out=build/log/ctest-$1.txt; shift 2
  step "Tests: $name"
  rc=0
  ctest --test-dir "$folder" --output-on-failure --timeout 600 "$@" >"$out" 2>&1 || rc=$?
  grep -E '^ *[0-9]+/[0-9]+ Test|tests passed' "$out" || true
  if [ $rc -ne 0 ]; then
    grep -vE '^ *Start ' "$out" | tail -n 80
  fi
  ran=$(sed -n 's/.*tests failed out of \([0-9]*\).*/\1/p' "$out")
  bad=$(sed -n 's/.*, \([0-9]*\) tests failed out of.*/\1/p' "$out")
  total=$((total + ${ran:-0})) failed=$((failed + ${bad:-0}))
  [ $rc -eq 0 ] || [ "${bad:-0}" -gt 0 ] || failed=$((failed + 1))
}

# shellcheck disable=SC2086
install_packages $BUILD_PACKAGES $RUN_PACKAGES $TEST_PACKAGES
mkdir -p build/log
fetch_swiftshader

step "Building with gcc, with clang, and with the sanitizers"
build_tree build all -DVKDIV_TESTS=ON
build_tree build-clang all -DVKDIV_TESTS=ON -DCMAKE_C_COMPILER=clang
build_tree build-asan all -DVKDIV_TESTS=ON -DVKDIV_SANITIZE=ON

unset VKDIV_DEVICE
export NO_COLOR=1
VKDIV_VALIDATION=1 VK_ICD_FILENAMES=$LAVAPIPE tests lavapipe build
VKDIV_VALIDATION=1 VK_ICD_FILENAMES=$SWIFTSHADER tests swiftshader build -L gpu -LE slow
# Vulkan drivers and their compiler keep memory until the process ends: no leak check.
ASAN_OPTIONS=detect_leaks=0 VK_ICD_FILENAMES=$LAVAPIPE tests sanitizers build-asan -LE 'slow|house'

step "Skipped"
skips=$(sed -n 's/^.*skip: /skip: /p' build/log/ctest-*.txt build/Testing/Temporary/LastTest.log 2>/dev/null | sort | uniq -c || true)
count=$(printf '%s\n' "$skips" | grep -c skip: || true)
[ -n "$skips" ] && say "$skips" || say "nothing"

step "Result after $((($(date +%s) - start) / 60)) min $((($(date +%s) - start) % 60)) s"
say "$((total - failed)) passed, $failed failed, $count skipped"
[ "$failed" -eq 0 ]
