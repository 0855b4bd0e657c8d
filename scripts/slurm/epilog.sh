#!/bin/bash
# Slurm's Epilog: forgets what an ended job saw as latest. It unmounts nothing: other jobs
# may read, and the mount costs next to nothing. Pins that it leaves go 30 days later.
#
# An Epilog runs on every node of a job, on each as soon as the job has ended there, and the
# other nodes must go on seeing what they saw: so the job's first node waits for them, after
# this script has returned, by asking squeue. It always succeeds: an Epilog that fails has the
# node drained.
# shellcheck disable=SC2031,SC2317
set -uo pipefail
# shellcheck source=scripts/slurm/common.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

# The run that has ended is this one, or, of a job that is queued again, the one before: the
# next is counted before the Epilog runs, and begins when the Epilog has ended on every node.
restarts=${SLURM_JOB_RESTART_COUNT:-${SLURM_RESTART_COUNT:-0}}
job=$SLURM_JOB_UID.${SLURM_CLUSTER_NAME:--}.slurm-$SLURM_JOB_ID
runs=()
for run in "$restarts" $((restarts - 1)); do
  if [ "$run" -gt 0 ]; then runs+=("$job.$run"); elif [ "$run" = 0 ]; then runs+=("$job"); fi
done

# release takes the pins of what has ended away.
release() {
  local run
  for run in "${runs[@]}"; do release_run "$run"; done
}

# release_run does so as root, or, where the store's file server does not know root, as
# the job's user. That there are none is nothing to tell of.
release_run() {
  local rm=(artifactfs snapshot rm --config "$ARTIFACTFS_CONFIG" "$1") said
  said=$(alone bounded "$ARTIFACTFS_RELEASE_SECONDS" "${rm[@]}") && return
  grep -q 'has no such pin' <<<"$said" && return
  grep -q 'is not waited for' <<<"$said" || as_job "$ARTIFACTFS_RELEASE_SECONDS" "${rm[@]}" >/dev/null && return
  tell <<<"$said"
}

# others prints how Slurm sees the job on other nodes: nothing, if it is over there. Of an
# array's first task squeue shows the whole array, and of a job that was queued again
# another run.
others() {
  squeue --noheader --jobs "$SLURM_JOB_ID" --states all --format '%A %T %N' 2>&1 | awk -v id="$SLURM_JOB_ID" -v me="$SLURMD_NODENAME" '
    /[Ii]nvalid job id/ || $1 == id { seen = 1 }
    $1 == id && ($2 == "RUNNING" || $2 == "SUSPENDED" || $2 == "STOPPED" || $2 == "SIGNALING" || $2 == "STAGE_OUT" || $2 == "COMPLETING" && $3 != me) { print; exit }
    END { if (!seen && NR) print "no answer" }'
}

# ended says whether the run that is counted has ended, and not the one before it alone: the
# job is over, and has not been queued again. While it is completing it may be either.
ended() {
  local end=$((SECONDS + 60)) states
  while [ $SECONDS -lt $end ]; do
    states=$(timeout -k 1 20 squeue --noheader --jobs "$SLURM_JOB_ID" --states all --format '%A %T' 2>&1)
    case $(awk -v id="$SLURM_JOB_ID" '$1 == id { print $2 }' <<<"$states") in
    COMPLETING) sleep 1 ;;
    COMPLETED | CANCELLED | FAILED | TIMEOUT | NODE_FAIL | PREEMPTED | BOOT_FAIL | DEADLINE | OUT_OF_MEMORY) return 0 ;;
    *) grep -qi 'invalid job id' <<<"$states"; return ;;
    esac
  done
  return 1
}

# last returns when the job is over everywhere, or fails when it has waited long enough.
last() {
  local end=$((SECONDS + ARTIFACTFS_OTHERS_SECONDS)) pause=1
  while [ -n "$(timeout -k 1 20 bash -c "$(declare -f others); others")" ]; do
    [ $SECONDS -lt $end ] || return 1
    sleep $pause
    pause=$((pause < 30 ? pause * 2 : 30))
  done
}

mapfile -t nodes < <(timeout 5 scontrol show hostnames "${SLURM_JOB_NODELIST:-${SLURM_NODELIST:-}}" 2>/dev/null)
if [ "${1:-}" = --wait ]; then
  echo up
  exec >/dev/null 2>&1
  if last; then
    ended || runs=("${runs[@]:1}")
    release
  fi
elif [ ${#nodes[@]} -le 1 ]; then
  release
elif [ "${nodes[0]}" = "${SLURMD_NODENAME:-}" ]; then
  # A session of its own, before this script ends: slurmd ends its process group then.
  exec {waiter}< <(exec setsid "$(readlink -f "$0")" --wait </dev/null 2>/dev/null)
  read -r -t 10 -u "$waiter"
fi
exit 0
