# shellcheck shell=bash disable=SC2034,SC2153
# What prolog.sh and epilog.sh have in common. Slurm sets no search path for them.
# /etc/artifactfs/slurm.conf, a shell script of root's, may set any of these, and what
# a store's credentials need (AWS_*, HF_TOKEN):
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ARTIFACTFS_DIR=/mnt/shared/artifacts             # where it is mounted
ARTIFACTFS_CONFIG=/etc/artifactfs/env.toml       # by which configuration
ARTIFACTFS_WARM=                                 # versions that every job on this node wants ready: NAME:VERSION ...
ARTIFACTFS_REQUIRED=no                           # yes: a node that cannot mount takes no jobs, and is drained
ARTIFACTFS_MOUNT_SECONDS=30                      # how long each of these may take; the job starts without then
ARTIFACTFS_WARM_SECONDS=60
ARTIFACTFS_RELEASE_SECONDS=15
ARTIFACTFS_OTHERS_SECONDS=900                    # how long the first node waits for a job's other nodes to end
set -a
# shellcheck source=/dev/null
[ ! -r "${ARTIFACTFS_SLURM_CONF:=/etc/artifactfs/slurm.conf}" ] || . "$ARTIFACTFS_SLURM_CONF"
set +a

# say tells the node's log, and slurmd's.
say() {
  echo "artifactfs, job ${SLURM_JOB_ID:-none}: $*" >&2
  logger -t artifactfs-slurm -- "job ${SLURM_JOB_ID:-none}: $*" 2>/dev/null || true
}

# tell says what it reads.
tell() {
  local line
  while read -r line; do say "$line"; done
}

# bounded SECONDS COMMAND... prints what a command prints. It returns in time whatever
# becomes of that: what waits for a file server cannot be killed, and a script that waits
# with it has the node drained. Nothing of slurmd's stays open in what is left behind.
bounded() {
  local limit=$1 line from end
  shift
  end=$((SECONDS + limit + 2))
  exec {from}< <(exec 2>&1 </dev/null; timeout -k 1 "$limit" "$@"; echo "exit $?")
  while [ "$SECONDS" -le "$end" ] && read -r -t $((end - SECONDS + 1)) -u "$from" line; do
    case $line in
    "exit 124" | "exit 137") break ;;
    "exit "*)
      exec {from}<&-
      return "${line#exit }"
      ;;
    esac
    printf '%s\n' "$line"
  done
  exec {from}<&-
  echo "$* has taken more than $limit seconds, and is not waited for"
  return 124
}

# alone COMMAND... is a command of this node's and not of the job's: what it resolves
# pins nothing, and a mount does not begin its life with a job's environment.
alone() { (
  unset "${!SLURM@}"
  "$@"
); }

# as_job SECONDS COMMAND... is a bounded command of the job's user in the job, as its tasks
# will be: what it resolves is what they will see. It gets nothing of our environment,
# where credentials may be.
as_job() {
  local limit=$1
  shift
  bounded "$limit" env -i PATH="$PATH" SLURM_JOB_ID="$SLURM_JOB_ID" SLURM_CLUSTER_NAME="${SLURM_CLUSTER_NAME:-}" \
    SLURM_RESTART_COUNT="${SLURM_JOB_RESTART_COUNT:-${SLURM_RESTART_COUNT:-0}}" \
    setpriv --reuid "$SLURM_JOB_UID" --regid "${SLURM_JOB_GID:-$(id -g "$SLURM_JOB_USER")}" --init-groups -- "$@"
}
