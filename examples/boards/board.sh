#!/usr/bin/env bash
# Makes this machine a board: a worker that starts with it and takes orders from one workstation.
# As root, in the folder that workstation.sh packed; run it again after any change.
#
#   EDGESEG_MEMORY  what the worker may take, such as 1024MiB; half of the memory otherwise
#   EDGESEG_LISTEN  where it listens; tcp://0.0.0.0:7355 otherwise
#   EDGESEG_WHEEL   what to install; the wheel in this folder otherwise, or else PyPI's edgeseg
#   EDGESEG_PYTHON  a Python that has edgeseg already: nothing is installed
#   EDGESEG_ROOT    where / is, for a try: no user of its own, no systemd
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=steps.sh
source ./steps.sh
# shellcheck source=../raspberry_pi/settings.sh
source ./settings.sh

root=${EDGESEG_ROOT:-}
settings=$root/etc/edgeseg
cache=$root/var/cache/edgeseg
units=$root/etc/systemd/system
environment=$root/opt/edgeseg
edgeseg=("${EDGESEG_PYTHON:-$environment/bin/python}" -I -m edgeseg)
listen=${EDGESEG_LISTEN:-tcp://0.0.0.0:7355}
owner=edgeseg
pid_file=$root/run/edgeseg-worker.pid
log=$root/run/edgeseg-worker.log
least_python='(3, 10) <= sys.version_info[:2] <= (3, 13)'

main() {
  step "Look at this machine"
  [[ $(getconf LONG_BIT) == 64 ]] || fail "this system has 32 bits; install the 64-bit image"
  [[ -n $root || $EUID == 0 ]] || fail "run it as root: sudo $0"
  found "$(uname -m), $(nproc) cores, $(total_mib) MiB of memory"
  look_at_board

  step "Install edgeseg"
  get_edgeseg

  step "Make the user of the worker, and its folders"
  make_folders

  step "Make this board's key, and authorize the workstation"
  make_keys

  step "Write $settings/worker.toml"
  write_config

  step "Ask the doctor whether this machine can be a board"
  found "\$ edgeseg doctor --config $settings/worker.toml"
  as_owner "${edgeseg[@]}" doctor --config "$settings/worker.toml" ||
    fail "mend what the doctor found, then run this again"

  step "Start the worker"
  install_unit
  if [[ -z $root && -d /run/systemd/system ]]; then start_by_systemd; else start_by_hand; fi

  step "See whether it listens"
  wait_until_it_listens

  step "Write $settings/board.toml, what the workstation must know of this board"
  write_entry
  sed 's/^/   /' "$settings/board.toml"
  printf '\nThis board is ready. Copy %s to the workstation.\n' "$settings/board.toml"
}

get_edgeseg() {
  if [[ -n ${EDGESEG_PYTHON:-} ]]; then
    found "taken from $EDGESEG_PYTHON"
  else
    python3 -c 'import ensurepip' 2>/dev/null || install_packages
    python3 -c "import sys; sys.exit(not $least_python)" ||
      fail "$(python3 --version) is too old or too new: edgeseg needs 3.10 to 3.13"
    local wheels=(./edgeseg-*.whl)
    [[ -n ${EDGESEG_WHEEL:-} || ! -e ${wheels[0]} ]] || EDGESEG_WHEEL=${wheels[0]}
    install_edgeseg "$environment"
  fi
  found "edgeseg $(ask 'from importlib.metadata import version; print(version("edgeseg"))')"
}

install_packages() {
  run apt-get update --quiet=2
  DEBIAN_FRONTEND=noninteractive run apt-get install --quiet=2 --yes python3-venv
}

make_folders() {
  if [[ -n $root ]]; then
    owner=$(id -un)
  elif ! id "$owner" >/dev/null 2>&1; then
    run useradd --system --home-dir /var/cache/edgeseg --shell /usr/sbin/nologin "$owner"
  fi
  mkdir -p "$units" "$root/run"
  install -d -m 755 "$settings" "$settings/authorized"
  install -d -m 700 -o "$owner" "$cache"
  found "the worker runs as $owner; it may write to $cache alone"
}

# The secret key is readable by the worker's user alone; whoever may give orders is root's decision.
make_keys() {
  if [[ -e $settings/worker.key ]]; then
    found "$settings/worker.key is kept"
  else
    "${edgeseg[@]}" keygen worker --folder "$settings" >/dev/null
    found "made $settings/worker.key; it never leaves this board"
  fi
  chown "$owner" "$settings/worker.key"
  local keys=(./*.pub)
  [[ -e ${keys[0]} ]] || fail "no workstation's public key (*.pub) is in $PWD; pack the folder anew"
  install -m 644 "${keys[@]}" "$settings/authorized"
  found "may give orders: $(cd "$settings/authorized" && ls -x)"
}

# The example of runtime/deploy with this board's memory, cores and places; metrics need an extra.
write_config() {
  memory=${EDGESEG_MEMORY:-$(($(total_mib) / 2))MiB}
  local text
  text=$(sed -e "s|^listen = .*|listen = \"$listen\"|" \
    -e "s|^memory_limit = .*|memory_limit = \"$memory\"|" \
    -e "s|^cores = .*|cores = $(nproc)|" \
    -e "s|\"/etc/edgeseg|\"$settings|" -e "s|\"/var/cache/edgeseg|\"$cache|" \
    -e '/^# Prometheus/d' -e '/^metrics = /d' worker.toml | cat -s)
  printf '%s\n' "$text" >"$settings/worker.toml"
  chmod 644 "$settings/worker.toml"
  found "memory $memory, $(nproc) cores, $listen"
}

# The unit of runtime/deploy; the kernel's limit follows the worker's, as doctor has found it good.
install_unit() {
  install -m 644 edgeseg-worker.service "$units/edgeseg-worker.service"
  install -d -m 755 "$units/edgeseg-worker.service.d"
  printf '# memory_limit of worker.toml and 5 %%.\n[Service]\nMemoryMax=%s\n' "$(most_bytes)" \
    >"$units/edgeseg-worker.service.d/memory.conf"
}

most_bytes() {
  ask 'import math, sys; from edgeseg.text.units import parse_bytes
print(math.ceil(parse_bytes(sys.argv[1]) * 1.05))' "$memory"
}

# Run a line of Python where edgeseg is.
ask() { "${edgeseg[0]}" -I -c "$@"; }

start_by_systemd() {
  run systemctl daemon-reload
  run systemctl enable --quiet edgeseg-worker
  run systemctl restart edgeseg-worker ||
    fail "it does not run; journalctl -u edgeseg-worker says why"
}

start_by_hand() {
  found "systemd does not run here: started by hand, it ends with this machine"
  if [[ -e $pid_file ]] && kill -0 "$(<"$pid_file")" 2>/dev/null; then
    found "stopping the one that runs"
    kill "$(<"$pid_file")"
    for _ in {1..100}; do kill -0 "$(<"$pid_file")" 2>/dev/null || break && sleep 0.1; done
  fi
  as_owner "${edgeseg[@]}" worker --config "$settings/worker.toml" \
    >"$log" 2>&1 </dev/null &
  echo $! >"$pid_file"
  found "process $!, log $log"
}

# As the unit does it; without a shell in between, so that the process started is the worker itself.
as_owner() {
  local command=(env -u XDG_CONFIG_HOME "HOME=$cache" "XDG_CACHE_HOME=$root/var/cache" "$@")
  if [[ -z $root ]]; then
    command=(setpriv --reuid "$owner" --regid "$owner" --clear-groups "${command[@]}")
  fi
  if [[ $BASHPID == "$$" ]]; then "${command[@]}"; else exec "${command[@]}"; fi
}

wait_until_it_listens() {
  local port=${listen##*:}
  for _ in {1..600}; do
    if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      found "port $port answers"
      return
    fi
    [[ ! -e $pid_file ]] || kill -0 "$(<"$pid_file")" 2>/dev/null || break
    sleep 0.1
  done
  fail "nothing answers on port $port; see $log, or journalctl -u edgeseg-worker"
}

write_entry() {
  local address=$listen
  [[ $listen != tcp://0.0.0.0:* ]] || address="tcp://$(hostname -I | cut -d ' ' -f 1):${listen##*:}"
  cat >"$settings/board.toml" <<END
[[board]]
name = "$(hostname)"
endpoint = "$address"
memory = "$memory"
cores = $(nproc)
$(grep '^public_key' "$settings/worker.pub")
END
  chmod 644 "$settings/board.toml"
}

total_mib() { awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo; }

main; exit
