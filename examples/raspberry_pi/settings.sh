# shellcheck shell=bash
# What board.sh looks at on a Raspberry Pi besides what doctor does: heat, voltage and clock are its.

look_at_board() {
  local model=/proc/device-tree/model
  if [[ ! -e $model ]] || ! grep -aq 'Raspberry Pi' "$model"; then
    found "this is no Raspberry Pi; going on all the same"
    return
  fi
  found "$(tr -d '\0' <"$model")"
  # Without it MemoryMax of the unit has no effect; the worker keeps its limit in any case.
  grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null ||
    found "systemd can't limit memory here: add cgroup_enable=memory to the line in" \
      "/boot/firmware/cmdline.txt and restart, if you want that second fence"
}
