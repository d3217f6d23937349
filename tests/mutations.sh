#!/bin/sh
# mutations.sh -- shows that the tests can fail: plants bugs of the kinds that GPUs suffer from, one at a time, in a copy,
# and expects the named test to find each.
set -eu
cd "$(dirname "$0")/.."
. apps/setup.sh

# shellcheck disable=SC2086
install_packages $BUILD_PACKAGES $RUN_PACKAGES $TEST_PACKAGES
VK_ICD_FILENAMES=/usr/share/vulkan/icd.d/lvp_icd.$(uname -m).json
export VK_ICD_FILENAMES NO_COLOR=1 VKDIV_VALIDATION=1
copy=$PWD/build/mutations
mkdir -p "$copy"
# Only what differs, so that a second run builds little.
git ls-files | while read -r f; do
  cmp -s "$f" "$copy/$f" || cp --parents "$f" "$copy"
done

found=0 missed=0
# mutant WHAT FILE EXPRESSION [VARIABLE=VALUE ...] TEST [ARGUMENT ...]
mutant() {
  what=$1 file=$2 expression=$3; shift 3
  sed -i "$expression" "$copy/$file"
  if cmp -s "$file" "$copy/$file"; then
    say "$what: $file no longer has the line to be changed"; exit 1
  fi
  build "$what"
  rc=0
  (cd "$copy" && timeout 600 env "$@") >"$copy/log.txt" 2>&1 || rc=$?
  if [ $rc -ne 0 ] && [ $rc -ne 124 ] && [ $rc -ne 127 ]; then
    found=$((found + 1))
    say "found   $what: $(grep -m 1 -E ':[FE]:|^  fail ' "$copy/log.txt" | sed -e 's/^[^ ]*:[FE]:[^ ]* *//' -e 's/^  fail *//' | cut -c 1-160)"
  else
    missed=$((missed + 1))
    say "MISSED  $what ($*: exit status $rc)"
  fi
  cp "$file" "$copy/$file"
}

build() {
  { [ -f "$copy/build/build.ninja" ] || cmake -S "$copy" -B "$copy/build" -G Ninja -DVKDIV_TESTS=ON; } >"$copy/log.txt" 2>&1 &&
    ninja -C "$copy/build" test_ops test_mixed test_selftest vkdiv >>"$copy/log.txt" 2>&1 || { tail -n 20 "$copy/log.txt"; say "$1: does not build"; exit 1; }
}

step "Without a bug"
build "no bug"
for t in "test_ops matmul" "test_ops conv2d" "test_ops batch_norm" "test_ops cast" test_mixed \
  "vkdiv selftest --filter traps.*"; do
  # shellcheck disable=SC2086
  "$copy"/build/bin/$t >"$copy/log.txt" 2>&1 || { tail -n 20 "$copy/log.txt"; say "$t fails"; exit 1; }
done

step "Bugs"
mutant "a missing barrier between dispatches" runtime/sync.c 's/wait = hazard(sync, &uses\[i\]);/wait = hazard(sync, \&uses[i]) \&\& false;/' \
  build/bin/test_ops batch_norm
mutant "a missing barrier in a workgroup" shaders/gemm_shared.comp 's/^        barrier();$/        ;/' \
  VKDIV_LIMITS=maxwell build/bin/test_ops matmul
mutant "an edge off by one" shaders/gemm_register.comp 's/uint(y\[i\] + dy) < pc.src_h/uint(y[i] + dy) <= pc.src_h/' \
  build/bin/test_ops conv2d
mutant "subgroups assumed to have 4 lanes" shaders/gemm_register.comp \
  's|subgroupShuffle(b\[(k \* TN + j) / 8\], (k \* TN + j) % 8)|subgroupShuffle(b[(k * TN + j) / 8], (k * TN + j) % 4)|' \
  build/bin/test_ops matmul
mutant "a tail written without a guard" shaders/gemm_register.comp \
  's/if (m0 + i < pc.m && n0 + j < pc.ldc)/if (n0 + j < pc.ldc)/' build/bin/test_ops matmul
mutant "a word behind the end written" shaders/map.glsl 's/if (i < pc.count)/if (i <= pc.count)/' build/bin/test_ops relu
mutant "a load past the end" shaders/bias.comp 's/uint i = min(linear_item(k), pc.count - 1);/uint i = linear_item(k);/' \
  VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_GPU_ASSISTED_EXT build/bin/test_ops bias
mutant "an overflow of fp16 that is not infinite" shaders/load.glsl '/uvec4(0x7c00u)/d' build/bin/test_mixed
mutant "padding that is not 0" shaders/gemm_register.comp 's/mix(vec4(0), acc\[i\]\[j\], lessThan(n, uvec4(pc.n)))/acc[i][j]/' \
  build/bin/test_ops matmul

step "Bugs for vkdiv selftest, and one of its own"
mutant "selftest: a word behind the end written" shaders/map.glsl 's/if (i < pc.count)/if (i <= pc.count)/' \
  build/bin/vkdiv selftest --filter traps.tails
mutant "selftest: a missing barrier between dispatches" runtime/sync.c \
  's/wait = hazard(sync, &uses\[i\]);/wait = hazard(sync, \&uses[i]) \&\& false;/' build/bin/vkdiv selftest --filter traps.barriers
mutant "a verdict that is always a pass" apps/selftest/report.c \
  's/counts\[SELFTEST_FAIL\] > 0 ?/counts[SELFTEST_SKIP] > 1000 ?/' CK_RUN_CASE=command build/bin/test_selftest

step "Result"
say "$found found, $missed missed"
[ $missed -eq 0 ]
