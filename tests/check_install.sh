#!/bin/sh
# check_install.sh SOURCE BUILD -- installs into a folder, moves that, and uses it: the program finds its recipes, and programs
# outside of the tree build and run, by pkg-config and by CMake, with the shared library and with the static one.
set -eu
source=$1 build=$2 work=$2/test_install
fail() { printf '%s\n' "$*"; exit 1; }

rm -rf "$work"
mkdir -p "$work"
cmake --install "$build" --prefix "$work/first" >"$work/install.txt"
mv "$work/first" "$work/prefix"
prefix=$work/prefix
cd "$work"

# ---- What is there ----
version=$(sed -n 's/^#define VKD_VERSION "\(.*\)"/\1/p' "$source/runtime/include/vkdiv/base.h")
pc=$(find "$prefix" -name vkdiv.pc)
libdir=$(dirname "$(dirname "$pc")")
for f in "$prefix/bin/vkdiv" "$prefix/share/vkdiv/recipes/fashion-quickstart.yaml" "$prefix/share/doc/vkdiv/copyright" \
  "$prefix/share/vkdiv/selftest.schema.json" \
  "$prefix/share/man/man1/vkdiv.1.gz" "$prefix/share/bash-completion/completions/vkdiv" \
  "$prefix/share/zsh/site-functions/_vkdiv" "$prefix/share/fish/vendor_completions.d/vkdiv.fish" \
  "$libdir/libvkdiv.a" "$libdir/libvkdiv.so" "$libdir/libvkdiv.so.${version%%.*}" "$libdir/libvkdiv.so.$version"; do
  [ -s "$f" ] || fail "not installed: $f"
done
for h in "$source"/runtime/include/vkdiv/*.h "$source"/engine/include/vkdiv/*.h; do
  cmp "$h" "$prefix/include/vkdiv/$(basename "$h")"
done
# Folders of the source or of the build in installed text would tie it to this machine.
if grep -rIlF -e "$source" -e "$build" "$prefix"; then fail "these name a folder of the build"; fi
if strings -d "$prefix/bin/vkdiv" "$libdir/libvkdiv.so" | grep -F "$source/apps"; then fail "the program names a folder of the source"; fi

# ---- The program, where it was not installed to ----
[ "$("$prefix/bin/vkdiv" --version)" = "vkdiv $version" ] || fail "vkdiv --version"
"$prefix/bin/vkdiv" train --list >list.txt
for f in "$source"/apps/recipes/*.yaml; do grep -q "^$(basename "$f" .yaml) " list.txt || fail "train --list lacks $f"; done
"$prefix/bin/vkdiv" train fashion-qickstart 2>message.txt && fail "a recipe that is not there"
grep -q "did you mean 'fashion-quickstart'" message.txt || fail "$(cat message.txt)"

# ---- pkg-config ----
export PKG_CONFIG_PATH="$libdir/pkgconfig"
flags="-std=c11 -Wall -Wextra -Werror $(pkg-config --cflags vkdiv)"
[ "$(pkg-config --modversion vkdiv)" = "$version" ] || fail "vkdiv.pc has another version"
# Vulkan's headers are needed, its loader is not.
pkg-config --print-requires-private vkdiv | grep -qx vulkan || fail "vkdiv.pc does not ask for Vulkan's headers"
case " $(pkg-config --libs vkdiv) " in *" -lvulkan "*) fail "vkdiv.pc links Vulkan's loader";; esac
# needs PROGRAM yes|no: runs it, and says whether it wants libvkdiv.so.
needs() {
  LD_LIBRARY_PATH="$libdir" "$1" || fail "$1 ended with $?"
  if objdump -p "$1" | grep -q 'NEEDED *libvkdiv.so'; then found=yes; else found=no; fi
  [ "$found" = "$2" ] || fail "$1 needs libvkdiv.so: $found, expected $2"
}
# shellcheck disable=SC2046,SC2086
{
  cc $flags "$source/tests/consumer/main.c" -o pc_shared $(pkg-config --libs vkdiv)
  cc $flags "$source/tests/consumer/main.c" -o pc_static $(pkg-config --libs vkdiv-static)
}
needs ./pc_shared yes
needs ./pc_static no

# ---- C++17: all public headers in one file, and all functions are C ----
{
  for h in "$prefix"/include/vkdiv/*.h; do printf '#include <vkdiv/%s>\n' "$(basename "$h")"; done
  printf 'const void *const all[] = {\n'
  nm -D --defined-only "$libdir/libvkdiv.so" | awk '$2 == "T" { sub(/@.*/, "", $3); print "    (const void *)" $3 "," }'
  printf '};\nint main() { return all[0] == nullptr; }\n'
} >all_headers.cc
# shellcheck disable=SC2046
c++ -std=c++17 -Wall -Wextra -Werror $(pkg-config --cflags vkdiv) all_headers.cc -o all_headers $(pkg-config --libs vkdiv)
needs ./all_headers yes

# ---- CMake ----
cmake -S "$source/tests/consumer" -B cmake -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release >cmake.txt
cmake --build cmake >>cmake.txt
cmake -S "$source/tests/consumer" -B cmake_headers -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_IGNORE_PATH=/usr/include >headers.txt 2>&1 &&
  fail "found without Vulkan's headers"
grep -q "Vulkan's headers are missing" headers.txt || fail "$(cat headers.txt)"
needs cmake/with_shared yes
needs cmake/with_static no
