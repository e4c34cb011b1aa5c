# shellcheck shell=bash
# What board.sh and workstation.sh share: numbered steps, one line for what failed, the install.

_step=0
_doing=""
trap '_status=$?; ((_status == 0 || _step == 0)) || echo "stopped in step $_step: $_doing" >&2' EXIT

# Begin the next numbered step.
step() {
  _step=$((_step + 1))
  _doing="$*"
  printf '\n%d. %s\n' "$_step" "$*"
}

# Show what a step found.
found() { printf '   %s\n' "$*"; }

# Show a command and run it.
run() {
  printf '   $ %s\n' "$*"
  "$@"
}

# End with one line: what is wrong and what to do.
fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# Make an environment with edgeseg in it, from a wheel or from PyPI, or renew the one that is there.
#   install_edgeseg FOLDER [EXTRAS], such as install_edgeseg /opt/edgeseg '[convert]'
install_edgeseg() {
  local folder=$1 extras=${2:-} what=${EDGESEG_WHEEL:-edgeseg} renewed=${EDGESEG_WHEEL:-}
  if [[ ! -x $folder/bin/python ]]; then
    run python3 -m venv "$folder"
    renewed=
  fi
  run "$folder/bin/python" -m pip install --quiet --upgrade "$what$extras"
  # A wheel of the version that is there, but of another day, is passed over by that.
  [[ -z $renewed ]] ||
    run "$folder/bin/python" -m pip install --quiet --no-deps --force-reinstall "$what"
}
