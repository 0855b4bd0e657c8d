# shellcheck shell=bash
# Installs, uses, upgrades and purges the packages in $1, in a root directory that is this
# machine's with a layer above it. Runs in a mount namespace of its own.
set -x
packages=$1
base=$(mktemp -d /tmp/artifactfs-deb-XXXXXX)
mount -t tmpfs none "$base"
mkdir "$base"/{up,work,root}
mount -t overlay none -o "lowerdir=/,upperdir=$base/up,workdir=$base/work" "$base/root"
for d in proc dev sys; do mount --rbind /$d "$base/root/$d"; done
mount -t tmpfs none "$base/root/tmp" # the machine's /tmp holds "$base" itself
cp "$packages"/*.deb "$base/root/tmp"
rm -rf "$base/root/usr/local/bin/artifactfs" "$base"/root/sbin/{,u}mount.fuse.artifactfs # an administrator's own

cat >"$base/root/tmp/inside.sh" <<'INSIDE'
set -eux -o pipefail
export HOME=/root XDG_RUNTIME_DIR=/tmp PATH=/usr/sbin:/usr/bin:/sbin:/bin
find /usr /etc /var /opt -xdev \( -path /var/lib/dpkg -o -path /var/cache -o -path /var/log \) -prune -o -name '*artifactfs*' -print | sort >/tmp/before
dpkg -i /tmp/1.0.0.deb
artifactfs version | grep "^artifactfs 1.0.0 "
man -w artifactfs-mount
artifactfs completion bash | cmp - /usr/share/bash-completion/completions/artifactfs
bash -c '. /usr/share/bash-completion/completions/artifactfs; complete -p artifactfs'
grep -q 'ExecStart=/usr/bin/artifactfs mount' /usr/lib/systemd/system/artifactfs@.service
bash -n /usr/share/artifactfs/slurm/*.sh

mkdir -p /tmp/store /tmp/data /tmp/mnt
echo one >/tmp/data/f
artifactfs log corpus /tmp/data artifacts.manifest.root=/tmp/store
mount -t fuse.artifactfs -o data_roots=/tmp /tmp/store /tmp/mnt
[ "$(cat /tmp/mnt/corpus/latest/f)" = one ]
log=$(artifactfs status --json /tmp/mnt | sed -n 's/.*"log_file": "\(.*\)".*/\1/p')
grep -c . "$log"
logrotate --force /etc/logrotate.d/artifactfs
zcat "$log.1.gz" | grep -c .
exec 5</tmp/mnt/corpus/v1/f
before=$(artifactfs status --json /tmp/mnt | grep '"pid"')
dpkg -i /tmp/1.0.1.deb
[ "$(dpkg-query -W -f '${Version}' artifactfs)" = 1.0.1 ]
[ "$(artifactfs status --json /tmp/mnt | grep '"pid"')" = "$before" ] # the mount goes on
[ "$(cat /tmp/mnt/corpus/latest/f)" = one ]
artifactfs mount --replace /tmp/mnt artifactfs.data_roots=/tmp 5<&- artifacts.manifest.root=/tmp/store >/dev/null
[ "$(cat <&5)" = one ]
[ -s "$log" ] && [ "$(tr -cd '\0' <"$log" | wc -c)" = 0 ] # what is logged goes on, from the file's start
exec 5<&-
[ "$(cat /tmp/mnt/corpus/latest/f)" = one ]
until grep -q ' /tmp/mnt/corpus/v1 ' /proc/self/mountinfo; do cat /tmp/mnt/corpus/latest/f >/dev/null; sleep 0.1; done # it is bound
umount /tmp/mnt
! grep ' /tmp/mnt ' /proc/self/mountinfo

dpkg --purge artifactfs
[ ! -e /var/log/artifactfs ]
find /usr /etc /var /opt -xdev \( -path /var/lib/dpkg -o -path /var/cache -o -path /var/log \) -prune -o -name '*artifactfs*' -print | sort | diff /tmp/before -
INSIDE
chroot "$base/root" bash /tmp/inside.sh
umount -l "$base/root"
umount -l "$base"
rmdir "$base"
echo purged
