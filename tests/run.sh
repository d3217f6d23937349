#!/bin/sh
# run.sh -- all tests, from a fresh clone: installs what is missing, builds, runs on two Vulkan drivers.
set -eu
cd "$(dirname "$0")/.."
. apps/setup.sh
start=$(date +%s)

LAVAPIPE=/usr/share/vulkan/icd.d/lvp_icd.$(uname -m).json
SWIFTSHADER=/usr/lib/chromium/vk_swiftshader_icd.json     # of chromium-common

# run_tests NAME FOLDER [CTEST OPTION ...]: runs ctest, shows a line per test and what the failed ones said.
total=0 failed=0
run_tests() {
  name=$1 folder=$2 out=build/log/ctest-$1.txt; shift 2
  step "Tests: $name"
  rc=0
  ctest --test-dir "$folder" -V --timeout 600 "$@" >"$out" 2>&1 || rc=$?
  grep -E '^ *[0-9]+/[0-9]+ Test|% tests passed' "$out" || true
  for n in $(sed -n 's/^ *[0-9]*\/[0-9]* Test *#\([0-9]*\):.*\*\*\*.*/\1/p' "$out"); do
    grep "^$n: " "$out" | grep -vE "^$n: (Test command|Working Dir|Environment|Test timeout)" | tail -n 40
  done
  ran=$(sed -n 's/.*tests failed out of \([0-9]*\).*/\1/p' "$out")
  bad=$(sed -n 's/.*, \([0-9]*\) tests failed out of.*/\1/p' "$out")
  total=$((total + ${ran:-0})) failed=$((failed + ${bad:-0}))
  if [ $rc -ne 0 ] && [ "${bad:-0}" -eq 0 ]; then
    tail -n 20 "$out"
    total=$((total + 1)) failed=$((failed + 1))
  fi
}

# shellcheck disable=SC2086
install_packages $BUILD_PACKAGES $RUN_PACKAGES $TEST_PACKAGES
mkdir -p build/log

step "Building with gcc, and with clang and the sanitizers"
build_tree build all -DVKDIV_TESTS=ON
build_tree build-asan all -DVKDIV_TESTS=ON -DVKDIV_SANITIZE=ON -DCMAKE_C_COMPILER=clang
build_tree build-tsan test_embed_threads -DVKDIV_TESTS=ON -DVKDIV_SANITIZE_THREADS=ON -DCMAKE_C_COMPILER=clang

unset VKDIV_DEVICE VK_DRIVER_FILES
export NO_COLOR=1 VKDIV_VALIDATION=1
export VK_ICD_FILENAMES="$LAVAPIPE"
run_tests lavapipe build -LE profiles
run_tests profiles build -L profiles -j 2
export VKDIV_VALIDATION=0 VKDIV_SELFTEST=full CK_RUN_CASE=device
run_tests selftest build -R '^test_selftest$'
unset VKDIV_SELFTEST CK_RUN_CASE
export VKDIV_VALIDATION=1
export VK_ICD_FILENAMES="$SWIFTSHADER"
run_tests swiftshader build -L gpu
export VKDIV_VALIDATION=0 VK_ICD_FILENAMES="$LAVAPIPE"
run_tests sanitizers build-asan -E '^house$'
run_tests threads build-tsan -R '^test_embed_threads$'

# A test says "skip: WHY". Nothing that a test needs is missing here, so each is a failure, but for probes of selftest
# that these drivers cannot pass: tests/portability/skips.txt has them, and test_selftest takes no others.
step "Skipped"
skips=$(sed -n -e 's/^[0-9]*: .*\(skip\(ped\)*: .*\)/\1/p' -e 's/^.*Test *#[0-9]*: \(.*\)\*\*\*Skipped.*/\1/p' \
  build/log/ctest-*.txt | sort | uniq -c)
count=$(printf '%s\n' "$skips" | awk '{ n += $1 } END { print n + 0 }')
unexplained=$(printf '%s\n' "$skips" | awk '!/skipped: selftest: / { n += $1 } END { print n + 0 }')
say "${skips:-nothing}"

seconds=$(($(date +%s) - start))
step "Result after $((seconds / 60)) min $((seconds % 60)) s"
say "$((total - failed)) passed, $failed failed, $count skipped, $unexplained of them without an explanation"
[ "$failed" -eq 0 ] && [ "$unexplained" -eq 0 ]
