#!/usr/bin/env bash
# Starts a worker on each core of this machine, for cores_of_one_board.toml; Ctrl-C ends them.
# One worker with --cores 4 takes less memory; this keeps the cores apart, as boards are.
#
#   EDGESEG_CORES   how many; all of them otherwise
#   EDGESEG_MEMORY  what each may take; 512MiB otherwise
#   EDGESEG_PORT    where the first listens; 7355 otherwise, the next on the port after it
#   EDGESEG_PYTHON  a Python that has edgeseg; python3 otherwise
set -euo pipefail

port=${EDGESEG_PORT:-7355}
trap 'trap - EXIT; kill $(jobs -p) 2>/dev/null; wait' EXIT
trap 'exit 0' INT TERM
for ((core = 0; core < ${EDGESEG_CORES:-$(nproc)}; core++)); do
  taskset --cpu-list "$core" "${EDGESEG_PYTHON:-python3}" -m edgeseg worker --cores 1 \
    --listen "tcp://127.0.0.1:$((port + core))" --memory-limit "${EDGESEG_MEMORY:-512MiB}" &
done
wait -n # a worker ends by itself only where something is wrong
