#!/bin/sh
# quickstart.sh -- from a fresh clone on Debian to a trained network: installs what is missing, builds, trains.
set -eu
cd "$(dirname "$0")/.."
. apps/setup.sh

# shellcheck disable=SC2086
install_packages $BUILD_PACKAGES $RUN_PACKAGES
step "Building"
build_tree build vkdiv -DVKDIV_TESTS=OFF
say "build/bin/vkdiv is ready"

step "Devices"
build/bin/vkdiv devices

step "Training a small ResNet on Fashion-MNIST, without labels and then with them (3 minutes on 2 CPU cores)"
build/bin/vkdiv train inject-quickstart "$@"

say
say "build/bin/vkdiv is the program: its first argument above is short for that path."
