#!/bin/sh
# check_house.sh SOURCE BUILD -- the rules of the house that a compiler does not check.
set -u
cd "$1" || exit 1
build=$2
found=$(mktemp)
trap 'rm -f "$found"' EXIT

# refuse WHY, with the offending lines on standard input.
refuse() {
  lines=$(cat)
  [ -z "$lines" ] || printf '%s:\n%s\n' "$1" "$lines" | tee -a "$found"
}

code() { find "$@" -name '*.c' -o -name '*.h' -o -name '*.comp' -o -name '*.glsl' | sort; }
# Lines of code that match an extended regular expression, comments aside.
matches() { pattern=$1; shift; code "$@" | xargs awk -v p="$pattern" '{ s = $0; sub(/\/\/.*/, "", s); gsub(/"[^"]*"/, "\"\"", s); if (s ~ p) print FILENAME ":" FNR ": " $0 }'; }
includes() { code "$1" | xargs grep -nE '^ *# *include' /dev/null; }
headers_of() { find "$1/include/vkdiv" -name '*.h' -exec basename {} \; | paste -sd '|' | sed 's/\./\\./g'; }

# ---- One direction: apps -> engine -> runtime -> shaders ----
includes shaders | grep -E '"[^"]*(runtime|engine|apps|tests)/|<vkdiv/' | grep -v '<vkdiv/base\.h>' | refuse "shaders include what lies above them"
includes runtime | grep -E "\"[^\"]*(engine|apps|tests)/|<vkdiv/($(headers_of engine))>" | refuse "runtime includes what lies above it"
includes engine | grep -E '"[^"]*(apps|tests)/|<volk' | refuse "engine includes what lies above it, or Vulkan's loader"
includes apps | grep -E '"[^"]*tests/|<volk' | grep -v '^apps/embed/host\.h:.*<volk' | refuse "apps include tests or Vulkan's loader"
matches '(^|[^A-Za-z0-9_])vk[A-Z][A-Za-z0-9]*[ ]*\\(' engine | refuse "engine calls Vulkan"

# ---- A library does not end the process, print, or read the environment ----
matches '(^|[^A-Za-z0-9_])(exit|abort|printf|puts|putchar|getenv|fork|system)[ ]*\\(' runtime engine | refuse "a call that a library must not make"
matches '(stdout|stderr)' runtime engine | refuse "a library prints"

# ---- Files ----
code runtime engine shaders apps tests | xargs grep -nE 'TODO|FIXME' /dev/null | refuse "unfinished"
code runtime engine shaders apps tests | xargs awk '
  FNR == 1 { if (file != "" && lines > longest) { longest = lines; where = file } file = FILENAME
             if ($0 !~ /^\/\//) print FILENAME ":1: expected a comment that says what the file is" }
  { lines = FNR }
  length($0) > 132 && !/^\/\/: / { print FILENAME ":" FNR ": a line of " length($0) " characters" }
  FNR > 800 && FNR == 801 { print FILENAME ": more than 800 lines" }
  /^{/ { start = FNR }
  /^}/ { n = FNR - start; if (start && n > most) { most = n; fn = FILENAME ":" start }
         if (start && n > 120) print FILENAME ":" start ": a function of " n " lines"; start = 0 }
  END { if (lines > longest) { longest = lines; where = file }
        print "longest file: " where ", " longest " lines; longest function: " fn ", " most " lines" > "/dev/stderr" }
' | refuse "too long, or without a first line"

find apps/report tests/portability/page -type f | sort | xargs awk '
  FNR == 1 && !/^\/[\/*]|^<!DOCTYPE/ { print FILENAME ":1: expected a comment that says what the file is" }
  length($0) > 132 && FILENAME !~ /html$/ { print FILENAME ":" FNR ": a line of " length($0) " characters" }
' | refuse "too long, or without a first line"

# ---- Public headers compile alone ----
for h in runtime/include/vkdiv/*.h engine/include/vkdiv/*.h; do
  line="#include <vkdiv/$(basename "$h")>"
  printf '%s\n' "$line" | cc -std=c11 -Wall -Wextra -Werror -Iruntime/include -Iengine/include -fsyntax-only -x c - 2>&1 | refuse "$h as C11"
  printf '%s\n' "$line" | c++ -std=c++17 -Wall -Wextra -Werror -Iruntime/include -Iengine/include -fsyntax-only -x c++ - 2>&1 | refuse "$h as C++17"
done

# ---- Each public function says from which threads it may be called: in its comment, or all of a header in one ----
awk '
  FNR == 1 { block = ""; all = 0 }
  /^$/ { block = "" }
  /^\/\// { block = block $0 }
  /^#ifndef/ { if (block ~ /[Tt]hread-safety/) all = 1; block = "" }
  /[Tt]hread-safety.*(all below|everything)|everything (below|here)/ { all = 1 }
  /^[A-Za-z].*[ *]vkd_[a-z0-9_]*\(/ && !/^(static|typedef|enum)/ { if (!all && block !~ /[Tt]hread-safety/) print FILENAME ":" FNR ": " $0 }
' runtime/include/vkdiv/*.h engine/include/vkdiv/*.h | refuse "no word of thread-safety"

# ---- The example of the README compiles ----
example=$(awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' README.md)
[ -n "$example" ] || echo "README.md" | refuse "there is no example"
printf '%s\n' "$example" | cc -std=c11 -Wall -Wextra -Werror -Iruntime/include -Iengine/include -fsyntax-only -x c - 2>&1 | refuse "the example of README.md"

# ---- Shaders ----
# What drivers are known to get wrong, or what makes two runs differ: see tests/portability/traps.md. Probes look for it.
matches 'GL_EXT_shader_(atomic_float|subgroup_extended_types)|GL_KHR_shader_subgroup_extended_types|unpack8|subgroupShuffle\\(f16' shaders |
  grep -v '^shaders/probe_' | refuse "a kernel relies on what drivers get wrong"
count=0
if command -v spirv-val >/dev/null 2>&1; then
  for s in "$build"/spirv/*.spv; do
    spirv-val --target-env vulkan1.2 "$s" 2>&1 | refuse "$s"
    count=$((count + 1))
  done
  printf '%s SPIR-V modules are valid\n' "$count"
else
  printf 'skip: spirv-val is missing (package spirv-tools)\n'
fi
[ ! -s "$found" ]
