#!/usr/bin/env bash
# A session with the mount, on a copy of testdata/demo: look, read, log, look again. Fails when any of it does.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/bin
tmp=$(mktemp -d "${TMPDIR:-/tmp}/artifactfs-demo.XXXXXX")
chmod 755 "$tmp" # as a store that everybody may look into
mnt=$tmp/mnt

finish() {
  local code=$?
  if mountpoint -q "$mnt"; then
    "$bin/artifactfs" umount "$mnt" >/dev/null 2>&1 || umount -l "$mnt" || fusermount3 -uz "$mnt" || true
  fi
  rm -rf --one-file-system "$tmp"
  [ $code = 0 ] || echo "demo: did not work (exit $code)" >&2
  exit $code
}
trap finish EXIT

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
try() { # try 'command': shows it as one would type it, then runs it
  printf '$ %s\n' "${1//$tmp/…}"
  bash -euo pipefail -c "$1" 2>&1 | sed "s|$tmp|…|g"
}

cp -r testdata/demo/{store,data,ckpt} "$tmp"
grep -rlZ /data/demo "$tmp/store" | xargs -0 sed -i "s|/data/demo|$tmp|g"
mkdir -p "$mnt" "$tmp/data/sft/run3/splits/train"
echo '{"messages": [{"role": "user", "content": "a question of run 3"}]}' >"$tmp/data/sft/run3/splits/train/00.jsonl"
export PATH=$bin:$PATH HOME=$tmp/home XDG_STATE_HOME=$tmp/state XDG_CACHE_HOME=$tmp/cache NEMOTRON_ENV_FILE=$tmp/env.toml
mkdir -p "$HOME"
cd "$tmp"
cat >env.toml <<EOF
[artifacts.manifest]
root = "$tmp/store"
[artifactfs]
data_roots = ["$tmp"]
EOF

say "A team's manifest store becomes a directory tree"
try "cat env.toml"
try "artifactfs mount $mnt"
try "ls -l $mnt $mnt/nano3-sft-data"
try "artifactfs ls $mnt"

say "Data is read where a config names it"
try "cat $mnt/nano3-sft-data/latest/train/00.jsonl"
try "cat $mnt/.fields/nano3-sft-data/latest/pack_size"

say "A checkpoint version shows its own iteration, though every version shares one save_dir"
try "cd $mnt/nano3-sft-model; head v1/*.txt v1/iter_*/*"

say "A log through the control file is a new version; latest moves to it"
try "echo $tmp/data/sft/run3/splits > $mnt/.log/nano3-sft-data"
try "cat $mnt/.log/nano3-sft-data"
try "readlink $mnt/nano3-sft-data/latest; cat $mnt/nano3-sft-data/latest/train/00.jsonl"

say "The same by command, with fields and with what it was made from"
try "artifactfs log nano3-sft-data $tmp/data/sft/run2/splits --type SFTDataArtifact --set pack_size=8192 --used nano3-pretrain-data:v1"

say "What it was made from, and what was made from that"
try "artifactfs lineage nano3-sft-data:v4"
try "artifactfs lineage --down nano3-pretrain-data:v1"
try "artifactfs resolve nano3-sft-data:v4"

say "Versions are read-only, whoever asks"
if echo oops 2>/dev/null >"$mnt/nano3-sft-data/v1/train/00.jsonl"; then
  echo "demo: a version could be written to" >&2
  exit 1
fi
printf '$ echo oops > …/nano3-sft-data/v1/train/00.jsonl\nRead-only file system, as it should be\n'

try "artifactfs status $mnt"
try "artifactfs umount $mnt"
if mountpoint -q "$mnt"; then
  echo "demo: still mounted after umount" >&2
  exit 1
fi
say "Unmounted. The records are ordinary files: nothing was lost"
try "find $tmp/store/nano3-sft-data -name manifest.json | sort"
