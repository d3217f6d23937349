# shellcheck shell=sh disable=SC2034
# setup.sh -- what quickstart.sh and tests/run.sh share: packages and the build. Sourced, from the repository's root.

BUILD_PACKAGES="gcc libc6-dev cmake ninja-build pkg-config glslc libvulkan-dev libvulkan-volk-dev libspng-dev
  libturbojpeg0-dev libjansson-dev libxxhash-dev libstb-dev librandom123-dev zlib1g-dev libcyaml-dev libyaml-dev
  libopenblas-dev liblbfgs-dev libjs-chart.js"
RUN_PACKAGES="libvulkan1 mesa-vulkan-drivers dataset-fashion-mnist"
TEST_PACKAGES="check libsubunit-dev libdrm-dev g++ clang libclang-rt-14-dev ccache spirv-tools vulkan-validationlayers
  chromium-headless-shell file groff-base mandoc zsh fish"

say() { printf '%s\n' "$*"; }
step() { if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then printf '\033[1m== %s\033[0m\n' "$*"; else say "== $*"; fi; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null 2>&1; then sudo "$@"
  else die "need root or sudo for: $*"
  fi
}

# Runs a command with its output in a file, which is shown only when the command fails.
quietly() {
  log=$1; shift
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 || { tail -n 40 "$log" >&2; die "'$*' failed; all of its output is in $log"; }
}

# Installs those of the named packages that are missing.
install_packages() {
  command -v dpkg-query >/dev/null 2>&1 || { say "not a Debian system: packages are up to you ($*)"; return 0; }
  missing=""
  for p in "$@"; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) in installed) ;; *) missing="$missing $p" ;; esac
  done
  [ -n "$missing" ] || return 0
  step "Installing:$missing"
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; then
    die "packages are missing, and there is neither root nor sudo to install them. As root: apt-get install$missing"
  fi
  quietly build/log/apt-update.txt as_root apt-get -q update
  # shellcheck disable=SC2086
  quietly build/log/apt-install.txt as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y --no-install-recommends install $missing
}

# build_tree FOLDER TARGET [CMAKE OPTION ...]: configures a build folder and builds one target.
build_tree() {
  folder=$1 target=$2; shift 2
  if command -v ccache >/dev/null 2>&1; then set -- "$@" -DCMAKE_C_COMPILER_LAUNCHER=ccache; fi
  quietly "$folder/log/configure.txt" cmake -S . -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo "$@"
  quietly "$folder/log/build.txt" ninja -C "$folder" "$target"
}
