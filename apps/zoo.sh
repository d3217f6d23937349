#!/bin/sh
# zoo.sh [OUT] -- trains a small zoo of models, transfers each to other tasks, and asks whether diversity explains transfer.
#
# About an hour on 2 CPU cores. Files go to OUT (runs/zoo). Interrupted at any point it goes on where it was when it is
# started again; finished, it is done in seconds. What is trained stands in apps/recipes/zoo/runs.txt, what on it is
# tested in tasks.txt. Environment, all optional:
#
#   ZOO_SEEDS="1 2"   seeds of every run                  ZOO_RUNS=FILE    another list of runs
#   ZOO_LIMIT=5000    images of the base set, 600 or      ZOO_TASKS=FILE   another list of tasks
#                     more; 600 are a rehearsal           ZOO_DATA=DIR     a folder of further sets that tasks.txt names
#   ZOO_SET=DIR       where Fashion-MNIST is              VKDIV=FILE       a program that is built already
set -euf
case ${1:-} in
  -h|--help) sed -n '2,11{ s/^# \{0,1\}//; p; }' "$0"; exit 0 ;;
  -*) sed -n '2,11{ s/^# \{0,1\}//; p; }' "$0" >&2; exit 2 ;;
  '') out=$(dirname "$0")/../runs/zoo ;;
  *) out=$1 ;;
esac
mkdir -p "$out/runs" "$out/log"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")/.."
# shellcheck source=apps/setup.sh
. apps/setup.sh

: "${ZOO_SEEDS:=1 2}" "${ZOO_LIMIT:=5000}" "${ZOO_SET:=/usr/share/datasets/fashion-mnist}"
: "${ZOO_RUNS:=apps/recipes/zoo/runs.txt}" "${ZOO_TASKS:=apps/recipes/zoo/tasks.txt}" "${ZOO_DATA:=}"
base="idx:$ZOO_SET?classes=0-5&limit=$ZOO_LIMIT"
base_test="idx:$ZOO_SET?classes=0-5&limit=1200"
results=4       # one more when transfers of the same settings come to other numbers (engine/run_folder.h)

if [ -z "${VKDIV:-}" ]; then
  # shellcheck disable=SC2086
  install_packages $BUILD_PACKAGES $RUN_PACKAGES
  step "Building"
  if [ -f build/build.ninja ]; then build_tree build vkdiv; else build_tree build vkdiv -DVKDIV_TESTS=OFF; fi
  VKDIV=build/bin/vkdiv
fi
case $out$ZOO_SET$ZOO_DATA in *[[:space:]]*) die "expected folders without spaces in their names" ;; esac
[ "$ZOO_LIMIT" -ge 600 ] || die "ZOO_LIMIT: expected 600 images or more, found '$ZOO_LIMIT'"
[ -d "$ZOO_SET" ] || die "there is no $ZOO_SET: install Debian's dataset-fashion-mnist, or name another folder in ZOO_SET"

# The lines of a list, without comments.
lines() { sed 's/[[:space:]]*#.*//; /^[[:space:]]*$/d' "$1"; }

# replace TEXT WORD BY
replace() { case $1 in *"$2"*) printf '%s' "${1%%"$2"*}$3${1#*"$2"}" ;; *) printf '%s' "$1" ;; esac; }

# work NAME WHAT COMMAND ...: runs a command whose output goes to a log. Stopped by Ctrl-C ends the script; a failure is
# told at the end, and the rest goes on.
failed=""
work() {
  name=$1 what=$2; shift 2
  log=$out/log/$name-$what.txt status=0
  "$@" >>"$log" 2>&1 </dev/null || status=$?
  case $status in
    0) return 0 ;;
    130|143) say; say "Stopped; everything is saved. Go on with: sh apps/zoo.sh${given:+ $given}"; exit "$status" ;;
  esac
  tail -n 3 "$log" >&2
  say "   $what of $name failed with status $status; all it said is in $log"
  failed="$failed $name-$what"
  return 1
}
given=${1:-}
trap 'say; say "Stopped; everything is saved. Go on with: sh apps/zoo.sh${given:+ $given}"; exit 130' INT TERM

# ---- Tasks: those whose sets are there ----

# find_data NAME: the folder that has the set NAME of ZOO_DATA, which may be there as an archive only.
find_data() {
  [ -n "$ZOO_DATA" ] || return 1
  if [ -d "$ZOO_DATA/$1" ]; then printf '%s' "$ZOO_DATA"; return; fi
  [ -f "$ZOO_DATA/$1.tar.xz" ] || return 1
  if [ ! -d "$out/data/$1" ]; then
    rm -rf "$out/data/part"
    mkdir -p "$out/data/part"
    quietly "$out/log/unpack.txt" tar -xJf "$ZOO_DATA/$1.tar.xz" -C "$out/data/part"
    mv "$out/data/part/$1" "$out/data/$1"
  fi
  printf '%s' "$out/data"
}

while read -r spec name; do
  spec=$(replace "$spec" SET "$ZOO_SET")
  case $spec in *:DATA/*)
    set_name=${spec#*:DATA/} set_name=${set_name%%[/?]*}
    if ! folder=$(find_data "$set_name"); then
      say "Left out: ${name#metric=* }, for ZOO_DATA names no folder with $set_name or $set_name.tar.xz" >&2
      continue
    fi
    spec=$(replace "$spec" DATA "$folder") ;;
  esac
  printf '%s %s\n' "$spec" "$name"
done <<EOF >"$out/tasks.new"
$(lines "$ZOO_TASKS")
EOF
mv "$out/tasks.new" "$out/tasks.txt"

# ---- Runs ----

# shellcheck disable=SC2086
total=$(($(lines "$ZOO_RUNS" | wc -l) * $(set -- $ZOO_SEEDS; echo $#)))
number=0
# shellcheck disable=SC2086
one_run() {
  name=$1-s$2 seed=$2 recipe=$3; shift 3
  dir=$out/runs/$name
  number=$((number + 1))
  sets="--set data.train=$base --set data.test=$base_test"
  for s in "$@"; do sets="$sets --set $(replace "$s" BASE "$base")"; done
  resume=""
  [ ! -f "$dir/run.json" ] || resume=--resume
  began=$(date +%s)
  work "$name" train "$VKDIV" train "apps/recipes/zoo/$recipe.yaml" $sets --seed "$seed" --out "$dir" $resume || return 0
  trained=$(date +%s)
  # Results know what they are of; that this run has all of them is known without opening a single set.
  state=$(printf '%s\n' "$results $base_test" | cat - "$out/tasks.txt" "$dir/run.json" | cksum)
  if [ ! -f "$dir/transfer/zoo.txt" ] || [ "$(cat "$dir/transfer/zoo.txt")" != "$state" ]; then
    # Base accuracy is measured on all models alike: a linear probe of the base set.
    work "$name" transfer "$VKDIV" transfer "$dir" --protocol linear,knn --data "$base_test" --tasks "$out/tasks.txt" ||
      return 0
    printf '%s\n' "$state" >"$dir/transfer/zoo.txt"
  fi
  ended=$(date +%s)
  say "[$number/$total] $name: trained in $((trained - began)) s, transferred in $((ended - trained)) s"
}

step "Training $total models, transferring each to $(wc -l <"$out/tasks.txt") tasks; files go to $out"
for seed in $ZOO_SEEDS; do
  while read -r name recipe sets; do
    # shellcheck disable=SC2086
    one_run "$name" "$seed" "$recipe" $sets
  done <<EOF
$(lines "$ZOO_RUNS")
EOF
done

# ---- What it says ----

step "Study"
for protocol in linear knn; do
  rm -f "$out/log/all-$protocol.txt"
  work all "$protocol" "$VKDIV" study "$out/runs" --tasks "$out/tasks.txt" --base "$base_test" --protocol "$protocol" \
    --out "$out/study-$protocol.json" || continue
  say
  cat "$out/log/all-$protocol.txt"
done
# shellcheck disable=SC2046
work all report "$VKDIV" report $(find "$out/runs" -mindepth 1 -maxdepth 1 -type d | sort) --html "$out/report.html" \
  --study "$out/study-linear.json" || true
[ -z "$failed" ] || die "failed:$failed; start it again to try these once more"
say "Page: $out/report.html"
