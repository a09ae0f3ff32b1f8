# shellcheck shell=bash
# What the scripts of this folder share; to be sourced.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# What is expensive to make and belongs to no checkout.
cache="${LASTSEEN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lastseen}"

say() { printf '  %s\n' "$*" >&2; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# quietly LOG CURE COMMAND…: shows the output only if the command fails.
quietly() {
  local log=$1 cure=$2
  shift 2
  mkdir -p "$(dirname "$log")"
  # The descriptor of a lock (9, where there is one) must not live on in a child.
  "$@" >"$log" 2>&1 </dev/null 9>&- || {
    tail -n 40 "$log" >&2
    fail "'$*' failed (whole output: $log). $cure"
  }
}

# as_root COMMAND…: asks for a password only where somebody sits at a terminal.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif have sudo && { sudo -n true 2>/dev/null || { [ -t 0 ] && [ -z "${CI:-}" ] && sudo -v; }; }; then sudo -n "$@"
  else return 1
  fi
}

# find_python: the first Python that can make virtual environments.
find_python() {
  local python
  for python in python3 /usr/bin/python3; do
    if have "$python" && "$python" -c 'import ensurepip, venv' 2>/dev/null; then
      command -v "$python"
      return
    fi
  done
  return 1
}

# find_chromium: the browser that the tests drive.
find_chromium() {
  local name
  for name in ${CHROMIUM:+"$CHROMIUM"} chromium chromium-browser google-chrome-stable google-chrome; do
    if have "$name"; then
      command -v "$name"
      return
    fi
  done
  return 1
}

# in_venv REQUIREMENTS WHAT COMMAND…: becomes a command with the Python programs of a list on the path, after installing them
# into a virtual environment of their own (in the cache, remade when the list or Python changes).
in_venv() {
  local requirements=$1 what=$2 python key venv
  shift 2
  python=$(find_python) || fail "no Python that can make virtual environments. Run: apt-get install python3-venv"
  key=$({ cat "$requirements"; "$python" -c 'import sys, platform; print(sys.version, sys.base_prefix, platform.machine())'; } | sha256sum | cut -c1-16)
  venv="$cache/python-$key"
  if [ ! -e "$venv/complete" ]; then
    mkdir -p "$cache"
    exec 9>"$venv.lock"
    flock -n 9 || { say "waiting for another installation"; flock 9; }
    if [ ! -e "$venv/complete" ]; then
      say "installing $what, once, into $venv (about a minute)"
      # A virtual environment cannot be moved, so it is complete when it says so; what says nothing was interrupted.
      rm -rf "$venv"
      quietly "$venv.log" "Python must be able to make virtual environments." "$python" -m venv "$venv"
      quietly "$venv.log" "Is PyPI reachable?" \
        "$venv/bin/pip" install --disable-pip-version-check --no-input -r "$requirements"
      touch "$venv/complete"
    fi
    exec 9>&-
  fi
  # First on the path: cargo-lambda finds zig through this environment's Python.
  export PATH="$venv/bin:$PATH" VIRTUAL_ENV="$venv"
  exec "$@"
}
