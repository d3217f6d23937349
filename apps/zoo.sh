#!/bin/sh
# zoo.sh [OUT] -- trains a small zoo of models, transfers each to other tasks, and asks whether diversity explains transfer.
#
# About an hour on 2 CPU cores. Files go to OUT (runs/zoo). Interrupted at any point it goes on where it was when it is
# started again; finished, it is done in seconds. What is trained stands in apps/recipes/zoo/runs.txt, what on it is
# tested in tasks.txt. Environment, all optional:
#
#   ZOO_SEEDS="1 2"   seeds of every run                  ZOO_RUNS=FILE    another list of runs
#   ZOO_LIMIT=5000    images of the base set; a few       ZOO_TASKS=FILE   another list of tasks
#                     hundred are a rehearsal             ZOO_DATA=DIR     a folder of further sets that tasks.txt names
#   ZOO_SET=DIR       where Fashion-MNIST is              VKDIV=FILE       a program that is built already
set -euf
case ${1:-} in
  -*) sed -n '2,12{ s/^# \{0,1\}//; p; }' "$0"; exit 2 ;;
  '') out= ;;
  /*) out=$1 ;;
  *) out=$PWD/$1 ;;
esac
cd "$(dirname "$0")/.."
. apps/setup.sh

: "${out:=runs/zoo}" "${ZOO_SEEDS:=1 2}" "${ZOO_LIMIT:=5000}" "${ZOO_SET:=/usr/share/datasets/fashion-mnist}"
: "${ZOO_RUNS:=apps/recipes/zoo/runs.txt}" "${ZOO_TASKS:=apps/recipes/zoo/tasks.txt}" "${ZOO_DATA:=}"
base="idx:$ZOO_SET?classes=0-5&limit=$ZOO_LIMIT"
base_test="idx:$ZOO_SET?classes=0-5&limit=1200"

if [ -z "${VKDIV:-}" ]; then
  # shellcheck disable=SC2086
  install_packages $BUILD_PACKAGES $RUN_PACKAGES
  step "Building"
  if [ -f build/build.ninja ]; then build_tree build vkdiv; else build_tree build vkdiv -DVKDIV_TESTS=OFF; fi
  VKDIV=build/bin/vkdiv
fi
[ -d "$ZOO_SET" ] || die "there is no $ZOO_SET: install Debian's dataset-fashion-mnist, or name another folder in ZOO_SET"
mkdir -p "$out/runs" "$out/log"

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

tasks=""
for spec in $(lines "$ZOO_TASKS"); do
  spec=$(replace "$spec" SET "$ZOO_SET")
  case $spec in *:DATA/*)
    set_name=${spec#*:DATA/} set_name=${set_name%%[/?]*}
    if [ -n "$ZOO_DATA" ] && [ ! -d "$ZOO_DATA/$set_name" ] && [ -f "$ZOO_DATA/$set_name.tar.xz" ]; then
      mkdir -p "$out/data"
      [ -d "$out/data/$set_name" ] || { rm -rf "$out/data/part"; mkdir "$out/data/part"
        quietly "$out/log/unpack.txt" tar -xJf "$ZOO_DATA/$set_name.tar.xz" -C "$out/data/part"
        mv "$out/data/part/$set_name" "$out/data/$set_name"; }
      spec=$(replace "$spec" DATA "$out/data")
    elif [ -n "$ZOO_DATA" ] && [ -d "$ZOO_DATA/$set_name" ]; then
      spec=$(replace "$spec" DATA "$ZOO_DATA")
    else
      say "Left out: $spec (ZOO_DATA names no folder that has it)"
      continue
    fi ;;
  esac
  tasks="$tasks $spec"
done

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
  data="--protocol linear,knn"
  for t in "$base_transfer" $tasks; do data="$data --data $t"; done
  state=$(printf '%s\n' "$data" | cat - "$dir/run.json" | cksum)
  if [ ! -f "$dir/transfer/zoo.txt" ] || [ "$(cat "$dir/transfer/zoo.txt")" != "$state" ]; then
    work "$name" transfer "$VKDIV" transfer "$dir" $data || return 0
    printf '%s\n' "$state" >"$dir/transfer/zoo.txt"
  fi
  ended=$(date +%s)
  say "[$number/$total] $name: trained in $((trained - began)) s, transferred in $((ended - trained)) s"
}

# The base accuracy of all models is measured alike: a linear probe of the base set.
base_transfer="idx:$ZOO_SET?classes=0-5&limit=1200"
step "Training $total models, transferring each to $(set -- $tasks; echo $#) tasks; files go to $out"
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
rm -f "$out/log/all-study.txt"
work all study "$VKDIV" study "$out/runs" --base "$base_transfer" --protocol linear || true
cat "$out/log/all-study.txt"
work all report "$VKDIV" report "$out/runs" --html "$out/report.html" || true
say
say "Study: $out/log/all-study.txt    page: $out/report.html"
[ -z "$failed" ] || die "failed:$failed; start it again to try these once more"
