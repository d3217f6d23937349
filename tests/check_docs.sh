#!/bin/sh
# check_docs.sh SOURCE BUILD -- the manual and the shells' completions: they have what --help has, and do what they should.
set -u
cd "$1" || exit 1
docs=$2/docs work=$2/test_docs vkdiv=$2/bin/vkdiv
rm -rf "$work"
mkdir -p "$work" || exit 1
# refuse WHY, with the offending lines on standard input.
refuse() {
  lines=$(cat)
  [ -z "$lines" ] || printf '%s:
%s
' "$1" "$lines" | tee -a "$work/found"
}

# ---- All commands and options ----
sed 's/\\f[BIR]//g; s/\\-/-/g' "$docs/man/vkdiv.1" >"$work/plain.1"
commands=$("$vkdiv" --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' | grep -vx help)
[ "$(echo "$commands" | wc -l)" -gt 10 ] || echo "$commands" | refuse "too few commands"
for c in $commands "data preview"; do
  # shellcheck disable=SC2086
  "$vkdiv" $c --help | grep -oE '^ +(-.|  ),? *--[a-z-]+' | grep -oE '\-\-[a-z-]+' | grep -vE -- '--(help|usage|version)$' >"$work/options"
  awk -v c=".SS vkdiv $c" '/^\.S[SH]/ { on = $0 == c || $0 == ".SH COMMON OPTIONS" } on' "$work/plain.1" >"$work/section"
  awk -v c="    '$c')" '$0 == c { on = 1 } on; /;;$/ && !/of=/ { on = 0 }' "$docs/bash/vkdiv" >"$work/table"
  while read -r o; do
    grep -qE -- "(^|, )$o(=|,|\$)" "$work/section" || echo "$c $o" | refuse "not in the manual"
    grep -q -- "$o " "$work/table" || echo "$c $o" | refuse "not completed"
  done <"$work/options"
done

# ---- Each trap is aimed at by a probe or a test that is there ----
{ VK_DRIVER_FILES=/none VK_ICD_FILENAMES=/none "$vkdiv" selftest --list | awk '{ print $1 }'
  sed -n 's/^add_test(\[*=*\[*\([A-Za-z0-9_]*\).*/\1/p' "$2/CTestTestfile.cmake" "$2"/*/CTestTestfile.cmake "$2"/*/*/CTestTestfile.cmake
  ls tests/*.sh
  for f in tests/test_*.c; do sed -n "s|^START_TEST(\([a-z0-9_]*\))|$(basename "$f" .c)/\1|p" "$f"; done
} 2>/dev/null | sort -u >"$work/aims"
awk -F '|' '/^\| / && NR > 8 && $2 !~ /^ trap / { if ($5 !~ /`/) print $2 ": nothing"; print $5 }' tests/portability/traps.md |
  grep -oE '`[^`]+`|.*: nothing' | tr -d '`' | sort -u >"$work/aimed"
[ "$(wc -l <"$work/aimed")" -gt 30 ] || echo "$(wc -l <"$work/aimed") names" | refuse "traps.md names too little to be true"
comm -13 "$work/aims" "$work/aimed" | refuse "traps.md: no such probe or test"

# ---- The manual is well-formed ----
if command -v mandoc >/dev/null; then mandoc -T lint -W warning "$docs/man/vkdiv.1" | refuse "mandoc"
else echo "skip: mandoc is missing (package mandoc)"; fi
if command -v groff >/dev/null; then groff -man -ww -Tutf8 -z "$docs/man/vkdiv.1" 2>&1 | refuse "groff"
else echo "skip: groff is missing (package groff-base)"; fi
gzip -cd "$docs/man/vkdiv.1.gz" | cmp - "$docs/man/vkdiv.1" 2>&1 | refuse "the compressed manual is another"

# ---- bash: as its readline would call the function ----
mkdir -p "$work/folder/inside"
: >"$work/folder/mine.yaml"
cat >"$work/bash" <<'EOF'
source "$1"
cd "$2"
vkdiv=$3
is() {  # is "WANTED ..." WORD...: all of the wanted ones are offered for the last word; with '=' first, no others
  local wanted=$1 w; shift
  COMP_WORDS=("$vkdiv" "$@") COMP_CWORD=$#
  _vkdiv
  local got=" ${COMPREPLY[*]} "
  if [[ $wanted == '='* ]]; then
    [[ $got == " ${wanted#=} " ]] || echo "vkdiv $* -> '$got', expected '${wanted#=}'"
    return
  fi
  for w in $wanted; do [[ $got == *" $w "* ]] || echo "vkdiv $* -> '$got', expected '$w' among them"; done
}
is '=train transfer' tr
is 'help train doctor data' ''
is '=--help --version' -
is '=--data' train --da
is '=--diversity-penalty' transfer --diversity
is '=--set' bench --se
is '=fashion-quickstart' train fashion-q
is '=mine.yaml' train mi
is '=optimizer.lr=' train --set optimizer.lr
is '=optimizer.lr=' train -S optimizer.lr
is '=model.arch=' train --set = model.ar
is 'cifar: idx: folder: csv:' train --data ''
is '=idx:' train --data = id
is '=mine.yaml' train --data = csv : mi
is '=inside' train --out ins
is 'info check preview' data ''
is '=--draws' data preview --dr
is '=gemm' bench ge
is '=features' help fe
is '=mine.yaml' eval mi
is '=' nothing here
EOF
if command -v bash >/dev/null; then bash "$work/bash" "$docs/bash/vkdiv" "$work/folder" "$vkdiv" 2>&1 | refuse "bash"
else echo "skip: bash is missing"; fi

# ---- fish tells what it would offer; zsh reads the file ----
fish_is() {
  got=$(HOME=$work PATH=$2:$PATH fish --no-config -c "cd $work/folder; source $docs/fish/vkdiv.fish; complete -C '$3'" 2>&1 | cut -f 1 | paste -sd ' ')
  [ "$got" = "$1" ] || echo "$3 -> '$got', expected '$1'" | refuse "fish"
}
if command -v fish >/dev/null; then
  fish -n "$docs/fish/vkdiv.fish" 2>&1 | refuse "fish"
  bin=$2/bin
  fish_is 'train transfer' "$bin" 'vkdiv tr'
  fish_is '--data' "$bin" 'vkdiv train --da'
  fish_is 'fashion-quickstart' "$bin" 'vkdiv train fashion-q'
  fish_is 'optimizer.lr=' "$bin" 'vkdiv train --set optimizer.l'
  fish_is '--draws' "$bin" 'vkdiv data preview --dr'
else echo "skip: fish is missing (package fish)"; fi
if command -v zsh >/dev/null; then zsh -n "$docs/zsh/_vkdiv" 2>&1 | refuse "zsh"
else echo "skip: zsh is missing (package zsh)"; fi
[ ! -s "$work/found" ]
