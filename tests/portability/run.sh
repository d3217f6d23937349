#!/bin/sh
# run.sh -- compiles all pipelines for all GPUs that are not there, and writes the results, their tables and a page.
set -eu
cd "$(dirname "$0")/../.."
. apps/setup.sh

# shellcheck disable=SC2086
install_packages $BUILD_PACKAGES $RUN_PACKAGES $TEST_PACKAGES
build_tree build compile_all -DVKDIV_TESTS=ON
build_tree build compile_table -DVKDIV_TESTS=ON
status=0
build/bin/compile_all --all --write tests/portability/results "$@" || status=$?
build/bin/compile_table tests/portability/results tests/portability/README.md README.md
build/bin/compile_table --html build/portability.html tests/portability/results
say "The page: build/portability.html"
exit $status
