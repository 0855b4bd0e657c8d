#!/bin/bash
# Slurm's Prolog: has the store mounted before a job starts, and ready what the job names.
#   Prolog=/usr/local/share/artifactfs/slurm/prolog.sh
#   Epilog=/usr/local/share/artifactfs/slurm/epilog.sh
#   PrologFlags=Alloc       # on every node, before the first step
# A job names what it wants ready in its comment:
#   sbatch --comment "warm=nano3-sft-data:latest,tokenizer:v2"
# Nothing that fails here keeps a job from starting, unless ARTIFACTFS_REQUIRED=yes: a Prolog
# that fails has the node drained, and a store that is away is away for all nodes. See
# common.sh for what can be set.
# shellcheck disable=SC2317
set -uo pipefail
# shellcheck source=scripts/slurm/common.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

# mounted says whether the store can be read at once. It may be hung, and then so is who asks.
mounted() { timeout -k 1 5 artifactfs status "$ARTIFACTFS_DIR" </dev/null >/dev/null 2>&1; }

mount_it() {
  alone mounted && return
  # A dead or hung mount is a directory that cannot be looked at.
  grep -qF " $ARTIFACTFS_DIR " /proc/self/mountinfo || bounded 5 mkdir -p "$ARTIFACTFS_DIR" | tell
  alone bounded "$ARTIFACTFS_MOUNT_SECONDS" artifactfs mount --config "$ARTIFACTFS_CONFIG" "$ARTIFACTFS_DIR" | tell ||
    alone mounted # by somebody else meanwhile, or brought back
}

# wanted prints the versions that are to be ready. The comment is its user's to write:
# what is no reference is left out, settings (KEY=VALUE) and flags among it.
wanted() {
  local from ref
  for from in $ARTIFACTFS_WARM $(sed -n 's/.*\bwarm=\([^; ]*\).*/\1/p' <<<"${SLURM_JOB_COMMENT:-}" | tr , ' '); do
    ref=$(grep -xE '[A-Za-z0-9][A-Za-z0-9._/@-]*:[A-Za-z0-9][A-Za-z0-9._-]*' <<<"$from") && echo "$ref"
  done
}

set -f # a comment is no pattern
if ! mount_it; then
  say "$ARTIFACTFS_DIR is not mounted; artifactfs doctor $ARTIFACTFS_DIR says more"
  [ "$ARTIFACTFS_REQUIRED" = yes ] && exit 1
  exit 0
fi
mapfile -t refs < <(wanted)
if [ ${#refs[@]} -gt 0 ]; then
  as_job "$ARTIFACTFS_WARM_SECONDS" artifactfs warm --mount "$ARTIFACTFS_DIR" "${refs[@]}" | tell ||
    say "not everything is ready (${refs[*]}); the job reads it as it comes"
fi
exit 0
