# shellcheck shell=bash
# What board.sh looks at on a Jetson besides what doctor does: the power mode, which sets the cores.

look_at_board() {
  if ! command -v nvpmodel >/dev/null; then
    found "this is no Jetson; going on all the same"
    return
  fi
  found "$(tr -d '\0' </proc/device-tree/model)"
  found "$(nvpmodel -q | tr '\n' ' ')"
  found "cores that the power mode switches off do not count; after another nvpmodel -m ID run" \
    "this again"
}
