package store

import "testing"

// What a server answers for, or lies below what one answers for, is not prompt.
func TestPromptMounts(t *testing.T) {
	table := parseMounts([]byte(`20 1 8:1 / / rw - ext4 /dev/sda1 rw
21 20 0:30 / /tmp rw - tmpfs none rw
22 20 0:40 / /nfs rw - nfs4 srv:/x rw
23 22 8:2 / /nfs/scratch rw - xfs /dev/sdb rw
24 20 0:50 / /over rw - overlay none rw
25 20 0:60 / /fuse rw - fuse.sshfs none rw
`), func(string) *gate { return nil })
	for path, want := range map[string]bool{
		"/": true, "/a/b": true, "/tmp/x": true,
		"/nfs": false, "/nfs/scratch/x": false, "/over/x": false, "/fuse/x": false,
	} {
		if got := table.at(path).prompt; got != want {
			t.Errorf("%s: prompt %v, want %v", path, got, want)
		}
	}
}
