#!/usr/bin/env bash
# Stop the daemons that up.sh started, by their process ids, and forget their jobs.
state=/tmp/slurm-state
scancel --user="$(id -un)" 2>/dev/null
sleep 1
for daemon in slurmd slurmctld; do
  pid=$(cat $state/$daemon.pid 2>/dev/null) || continue
  kill "$pid" 2>/dev/null
  for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
done
rm -rf $state
