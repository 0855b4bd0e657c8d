package manifest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"artifactfs.dev/artifactfs/internal/store"
)

// writer is who made a temporary file, as its name says. Upstream's have a pid
// only, which is another process's in the next container.
type writer struct {
	pid   int
	node  string // what the pid counts on, or ""
	start string // when the process started there: pids are used again
}

// self is this process. Without /proc, or with another's, it has no node.
var self = sync.OnceValue(func() writer {
	w := writer{pid: os.Getpid()}
	if seen, err := os.Readlink("/proc/self"); err != nil || seen != strconv.Itoa(w.pid) {
		return w
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	pids, err2 := os.Readlink("/proc/self/ns/pid")
	if err != nil || err2 != nil {
		return w
	}
	// Clones of one virtual machine may share a boot_id; a time namespace moves starts.
	host, _ := os.Hostname()
	times, _ := os.Readlink("/proc/self/ns/time")
	sum := sha256.Sum256([]byte(string(boot) + host + "\x00" + pids + "\x00" + times))
	if w.start = store.Started(uint32(w.pid)); w.start != "" {
		w.node = base32.StdEncoding.EncodeToString(sum[:10])
	}
	return w
})

// unique is what makes a temporary file's name this process's own, and one of a
// kind: PID, node, start and chance.
func unique(sep string) string {
	w := self()
	parts := []string{strconv.Itoa(w.pid)}
	if w.node != "" {
		parts = append(parts, w.node, w.start)
	}
	return strings.Join(append(parts, rand.Text()[:10]), sep)
}

// writerOf returns who made a temporary file, by its name: .latest_tmp_PID,
// F.tmp.PID, and ours, with more behind.
func writerOf(name string) (w writer, ok bool) {
	var rest, sep string
	for mark, s := range map[string]string{".latest_tmp_": "_", ".alias_tmp_": "_", ".pin_tmp_": "_", ".json.tmp.": "."} {
		if before, after, found := strings.Cut(name, mark); found && (before == "") == (s == "_") {
			rest, sep = after, s
		}
	}
	if sep == "" {
		return w, false
	}
	parts := strings.Split(rest, sep)
	pid, err := strconv.ParseUint(parts[0], 10, 31)
	if err != nil || pid == 0 {
		return w, false
	}
	w.pid = int(pid)
	if len(parts) == 4 {
		w.node, w.start = parts[1], parts[2]
	}
	return w, true
}

func isTemporary(name string) bool {
	_, ok := writerOf(name)
	return ok
}

// alive reports whether the writer runs. If known is false it is a guess, by a pid
// that may be of another node.
func (w writer) alive() (alive, known bool) {
	me := self()
	if w.node != "" && w.node != me.node {
		return false, false
	}
	err := syscall.Kill(w.pid, 0)
	alive = !errors.Is(err, syscall.ESRCH)
	if w.node == "" {
		return alive, false
	}
	// hidepid hides it from /proc, not from kill.
	if now := store.Started(uint32(w.pid)); alive && now != "" {
		alive = now == w.start
	}
	return alive, true
}
