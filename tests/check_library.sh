#!/bin/sh
# check_library.sh SOURCE BUILD -- the built shared library: what it exports, what it calls, what it keeps, how large it is.
set -u
cd "$1" || exit 1
lib=$2/lib/libvkdiv.so
work=$2/test_library
rm -rf "$work"
mkdir -p "$work" || exit 1
# refuse WHY, with the offending lines on standard input.
refuse() {
  lines=$(cat)
  [ -z "$lines" ] || printf '%s:
%s
' "$1" "$lines" | tee -a "$work/found"
}

# ---- Exports: what the public headers declare, none more, none fewer ----
for h in runtime/include/vkdiv/*.h engine/include/vkdiv/*.h; do printf '#include <vkdiv/%s>\n' "$(basename "$h")"; done |
  cc -E -x c -Iruntime/include -Iengine/include - >"$work/headers.i" 2>"$work/errors"
refuse "the headers" <"$work/errors"
# Only lines of our headers; without the insides of braces a function is a word before a parenthesis.
awk '/^# [0-9]/ { ours = $3 ~ /\/vkdiv\/[a-z]*\.h"$/; next } ours && !/^#/' "$work/headers.i" | tr '\n' ' ' |
  sed ':a; s/{[^{}]*}/;/g; ta' | tr ';' '\n' | grep -vE '^ *(static|typedef) ' |
  grep -oE '\bvkd_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u >"$work/declared"
nm -D --defined-only "$lib" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u >"$work/exported"
nm -D --defined-only "$lib" | awk '$2 != "A" && $2 != "T"' | refuse "exported, but no function"
comm -23 "$work/declared" "$work/exported" | refuse "declared in a public header, but not exported"
comm -13 "$work/declared" "$work/exported" | refuse "exported, but declared in no public header"

# ---- Calls: the library does not end the process, print, read the environment, or start others ----
nm -D --undefined-only "$lib" | awk '{ sub(/@.*/, "", $2); print $2 }' |
  grep -xE '_?_?(_?exit|_Exit|quick_exit|abort|assert_fail|f?printf|v?f?printf|f?printf_chk|vfprintf_chk|puts|putchar|perror|(secure_)?getenv|setenv|putenv|v?fork|system|popen|exec[lv]p?e?|posix_spawnp?|kill|raise|signal|sigaction|std(out|err|in)|environ)' |
  refuse "a library must not call these"

# ---- Data that can be written: none of ours. The linker's and crtbegin's own marks stand there, and one pointer a thread:
# stb_image's text of why it failed. ----
objdump -t "$lib" | awk '/[ \t]\.t?(bss|data)[ \t]/ && $NF !~ /^\.t?(bss|data)$/ { print $NF }' |
  grep -vxE 'completed\.[0-9]+|__dso_handle|__TMC_END__|stbi__g_failure_reason' | refuse "global data that can be written"

# ---- Names ----
version=$(sed -n 's/^#define VKD_VERSION "\(.*\)"/\1/p' runtime/include/vkdiv/base.h)
soname=$(objdump -p "$lib" | awk '$1 == "SONAME" { print $2 }')
[ "$soname" = "libvkdiv.so.${version%%.*}" ] || echo "$soname, version $version" | refuse "SONAME"
[ -f "$lib.$version" ] || refuse "no such file" <<EOF
$lib.$version
EOF
nm -D --defined-only "$lib" | awk '$2 == "T"' | grep -v "@@VKDIV_${version%.*}\$" | refuse "not of symbol version VKDIV_${version%.*}"

# ---- Size: at most 6 MB with all shaders ----
strip -o "$work/stripped.so" "$lib"
bytes=$(wc -c <"$work/stripped.so")
printf '%s functions exported, %s bytes without symbols\n' "$(wc -l <"$work/exported")" "$bytes"
[ "$bytes" -le 6000000 ] || echo "$bytes bytes" | refuse "the library is larger than 6 MB"
[ "$(wc -l <"$work/exported")" -gt 100 ] || echo "$(wc -l <"$work/exported") functions" | refuse "too few exports to be true"
[ ! -s "$work/found" ]
