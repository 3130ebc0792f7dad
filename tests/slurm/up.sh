#!/usr/bin/env bash
# Start a one-node Slurm on this machine, for tests: as root, with Debian's slurm-wlm and munge installed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
state=/tmp/slurm-state
if sinfo -h >/dev/null 2>&1; then echo "A Slurm already answers here." >&2; exit 1; fi
install -m644 "$here"/{slurm.conf,gres.conf} /etc/slurm/   # must be /etc/slurm: job steps lose SLURM_CONF
mkdir -p $state/ctld $state/d /run/munge /var/log/munge
chown munge:munge /run/munge /var/log/munge
chmod 755 /run/munge
[ -s /etc/munge/munge.key ] || { /usr/sbin/mungekey -c; chown munge: /etc/munge/munge.key; }
munge -n >/dev/null 2>&1 || setpriv --reuid=munge --regid=munge --clear-groups /usr/sbin/munged
for _ in $(seq 50); do munge -n >/dev/null 2>&1 && break; sleep 0.1; done
slurmctld
slurmd -N localhost
for _ in $(seq 100); do
  sinfo -h -o %T 2>/dev/null | grep -q '^idle\|^mixed\|^allocated' && break
  sleep 0.2
done
sinfo -o "%P %T %c %m %G"
