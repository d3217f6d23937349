#!/bin/sh
# check_packages.sh SOURCE BUILD -- builds the Debian packages, looks into them, unpacks them into a folder and works from there.
set -eu
source=$1 build=$2 work=$2/test_packages
fail() { printf '%s\n' "$*"; exit 1; }
for tool in dpkg-deb dpkg-shlibdeps file; do
  command -v "$tool" >/dev/null || { echo "skip: $tool is missing (packages dpkg-dev, file)"; exit 77; }
done

rm -rf "$work"
mkdir -p "$work/debs"
cd "$build"
cpack -G DEB -B "$work/debs" >"$work/cpack.txt" 2>&1 || fail "$(cat "$work/cpack.txt")"
cd "$work"

version=$(sed -n 's/^#define VKD_VERSION "\(.*\)"/\1/p' "$source/runtime/include/vkdiv/base.h")
soname=libvkdiv.so.${version%%.*} library=libvkdiv${version%%.*}
lib=usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
deb() { echo "debs/${1}_$version-1_$(dpkg --print-architecture).deb"; }
# holds PACKAGE FILE...; needs PACKAGE DEPENDENCY...
holds() {
  package=$1; shift
  dpkg-deb --fsys-tarfile "$(deb "$package")" | tar -t | sed 's/^\.\///' >"$package.files"
  for f in "$@"; do grep -qx "$f" "$package.files" || fail "$package lacks $f"; done
}
needs() {
  package=$1; shift
  for d in "$@"; do
    dpkg-deb -f "$(deb "$package")" Depends | tr ',' '\n' | grep -qE "^ *$d( |\$)" || fail "$package does not depend on $d"
  done
}
holds vkdiv usr/bin/vkdiv usr/share/man/man1/vkdiv.1.gz usr/share/vkdiv/recipes/fashion-quickstart.yaml \
  usr/share/vkdiv/selftest.schema.json \
  usr/share/bash-completion/completions/vkdiv usr/share/doc/vkdiv/copyright
holds "$library" "$lib/$soname" "$lib/libvkdiv.so.$version" "usr/share/doc/$library/copyright"
holds libvkdiv-dev "$lib/libvkdiv.so" "$lib/libvkdiv.a" "$lib/pkgconfig/vkdiv.pc" "$lib/cmake/vkdiv/vkdiv-config.cmake" \
  usr/include/vkdiv/base.h usr/share/doc/libvkdiv-dev/copyright
needs vkdiv libc6 libspng0 libopenblas0 libcyaml1
needs "$library" libc6 libspng0 libopenblas0
needs libvkdiv-dev "$library" libvulkan-dev libspng-dev
[ "$(cat vkdiv.files "$library.files" libvkdiv-dev.files | grep -v '/$' | sort | uniq -d)" = "" ] || fail "a file is in two packages"
dpkg-deb --ctrl-tarfile "$(deb "$library")" | tar -xO ./shlibs | grep -q "^libvkdiv ${version%%.*} $library" || fail "no shlibs"

# ---- Unpacked, the program works and a program builds ----
for p in vkdiv "$library" libvkdiv-dev; do dpkg-deb -x "$(deb "$p")" root; done
[ "$(root/usr/bin/vkdiv --version)" = "vkdiv $version" ] || fail "vkdiv --version"
root/usr/bin/vkdiv train --list | grep -q '^fashion-quickstart ' || fail "vkdiv train --list"
root/usr/bin/vkdiv data info noise:4x8x3x2 >info.txt || fail "vkdiv data info"
export PKG_CONFIG_PATH="$work/root/$lib/pkgconfig"
# shellcheck disable=SC2046
cc -std=c11 $(pkg-config --cflags vkdiv) "$source/tests/consumer/main.c" -o consumer $(pkg-config --libs vkdiv)
LD_LIBRARY_PATH="$work/root/$lib" ./consumer
for p in vkdiv "$library" libvkdiv-dev; do printf '%s: %s bytes\n' "$p" "$(wc -c <"$(deb "$p")")"; done
