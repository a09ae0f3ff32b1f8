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
