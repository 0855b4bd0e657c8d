//go:build linux

package store

import (
	"os"
	"reflect"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestParseStatus(t *testing.T) {
	const s = "Name:\tTgid: 7\nUmask:\t0022\nTgid:\t41\nNgid:\t0\nPid:\t42\nUid:\t0\t1\t2\t3\nGid:\t4\t5\t6\t7\nGroups:\t4 24 100000 \nCapEff:\t000001fffeffffff\n"
	st, uid, gid := parseStatus([]byte(s))
	want := status{tgid: 41, groups: []uint32{4, 24, 100000}, caps: 0x1fffeffffff, umask: 0o22}
	if !reflect.DeepEqual(st, want) || uid != 3 || gid != 7 {
		t.Errorf("got %+v, %d, %d; want %+v, 3, 7", st, uid, gid, want)
	}
	for _, bad := range []string{"", "Tgid:", "Tgid:\tx\n", "Uid:\t1\n", "Groups:\t-1 99999999999\n", "CapEff:\tz\n", "Umask:\t9\n", "Umask:\t1777\n", "\n:\n"} {
		if st, uid, gid := parseStatus([]byte(bad)); st.tgid != 0 || st.groups != nil || st.caps != 0 || st.umask != -1 || uid != anyID || gid != anyID {
			t.Errorf("of %q: %+v, %d, %d", bad, st, uid, gid)
		}
	}
}

func TestTGID(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	tids := make(chan int)
	stop := make(chan struct{})
	defer close(stop)
	go func() { // on a thread that is not the leader, whichever of the two this test is on
		runtime.LockOSThread()
		tids <- unix.Gettid()
		<-stop
	}()
	for _, tid := range []int{<-tids, unix.Gettid(), os.Getpid()} {
		if got := TGID(uint32(tid)); got != uint32(os.Getpid()) {
			t.Errorf("TGID(%d) = %d, want %d", tid, got, os.Getpid())
		}
	}
	for _, none := range []uint32{0, 1 << 30} {
		if got := TGID(none); got != 0 {
			t.Errorf("TGID(%d) = %d, want 0", none, got)
		}
	}
}

func TestRecent(t *testing.T) {
	r := recent[int, int]{size: 4, keep: time.Hour}
	for i := range 100 {
		r.put(i, i)
		if v, ok := r.get(0); !ok || v != 0 {
			t.Fatalf("what is used is gone after %d others", i)
		}
	}
	if n := len(r.young) + len(r.old); n > 8 {
		t.Errorf("keeps %d, want 8 at most", n)
	}
	if _, ok := r.get(50); ok {
		t.Error("50 is still there")
	}
	r.keep = 0
	if _, ok := r.get(99); ok {
		t.Error("an old answer is given")
	}
}

// What is trimmed is what is too old to be given.
func TestRecentTrim(t *testing.T) {
	r := recent[int, int]{size: 4, keep: time.Hour}
	for i := range 6 {
		r.put(i, i)
	}
	r.young[5] = aged[int]{5, time.Now().Add(-2 * time.Hour)}
	r.trim()
	if _, ok := r.get(4); !ok || len(r.young) != 1 || r.old != nil {
		t.Errorf("after a trim: %v and %v", r.young, r.old)
	}
}
