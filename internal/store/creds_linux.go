package store

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// capDAC are the capabilities that a root caller may bring along: those that
// overrule file permissions. Nothing else of what the daemon may do (ptrace,
// mount, …) is ever lent.
const capSysAdmin = unix.CAP_SYS_ADMIN

const capDAC = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH

// creds are what the kernel asks of a thread that accesses a file. The real,
// effective and saved ids are left alone: a caller must not be able to signal
// or trace the daemon's thread because it has borrowed the caller's ids.
type creds struct {
	uid, gid uint32
	groups   []uint32
	eff      uint64 // effective capabilities
}

// process is this process's own credentials, to which every thread returns.
type process struct {
	creds
	permitted, inheritable uint64
}

func newProcess() *process {
	p := &process{creds: creds{uid: fsuid(), gid: uint32(unix.Getegid())}}
	if g, err := unix.Getgroups(); err == nil {
		for _, g := range g {
			p.groups = append(p.groups, uint32(g))
		}
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	if unix.Capget(&hdr, &d[0]) == nil {
		p.eff = uint64(d[1].Effective)<<32 | uint64(d[0].Effective)
		p.permitted = uint64(d[1].Permitted)<<32 | uint64(d[0].Permitted)
		p.inheritable = uint64(d[1].Inheritable)<<32 | uint64(d[0].Inheritable)
	}
	return p
}

// as returns the credentials to take for c, nil if they are the process's own.
func (p *process) as(c Caller) *creds {
	st := statuses.of(c)
	if c.UID == p.uid && c.GID == p.gid && st.caps&p.eff == p.eff && sameGroups(st.groups, p.groups, c.GID) {
		return nil
	}
	to := &creds{uid: c.UID, gid: c.GID, groups: st.groups}
	if c.UID == 0 {
		to.eff = st.caps & capDAC & p.permitted
	}
	return to
}

// sameGroups compares sets; the primary group adds nothing to either.
func sameGroups(a, b []uint32, gid uint32) bool {
	in := func(s, of []uint32) bool {
		for _, g := range s {
			if g != gid && !slices.Contains(of, g) {
				return false
			}
		}
		return true
	}
	return in(a, b) && in(b, a)
}

// assume gives the calling thread c's credentials. The thread must be locked,
// and restored whatever assume returns. The system calls are made raw: the
// wrappers of package syscall would switch every thread of the process.
func (p *process) assume(c *creds) error {
	if !slices.Equal(c.groups, p.groups) {
		if err := setgroups(c.groups); err != nil {
			return err
		}
	}
	if err := p.setgid(c, c.gid); err != nil {
		return err
	}
	if err := setfsuid(c.uid); err != nil {
		return err
	}
	return p.capset(c.eff)
}

// restore undoes assume(c). setfsuid needs no capability to return to the real
// id, the groups need those that capset brings back. Leaving fsuid 0 and coming
// back moves capabilities, so capset comes after it.
func (p *process) restore(c *creds) error {
	if err := setfsuid(p.uid); err != nil {
		return err
	}
	if err := p.capset(p.eff); err != nil {
		return err
	}
	if err := p.setgid(c, p.gid); err != nil {
		return err
	}
	if slices.Equal(c.groups, p.groups) {
		return nil
	}
	return setgroups(p.groups)
}

// lend runs fn with one more of the daemon's capabilities on a switched thread.
func (p *process) lend(c *creds, capability int, fn func() error) error {
	bit := uint64(1) << capability
	if c == nil || p.permitted&bit == 0 {
		return fn()
	}
	if err := p.capset(c.eff | bit); err != nil {
		return err
	}
	err := fn()
	if back := p.capset(c.eff); err == nil {
		err = back
	}
	return err
}

func (p *process) capset(eff uint64) error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	for i := range d {
		s := 32 * i
		d[i] = unix.CapUserData{Effective: uint32(eff >> s), Permitted: uint32(p.permitted >> s), Inheritable: uint32(p.inheritable >> s)}
	}
	if err := unix.Capset(&hdr, &d[0]); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	return nil
}

func setgroups(g []uint32) error {
	var p unsafe.Pointer
	if len(g) > 0 {
		p = unsafe.Pointer(&g[0])
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(g)), uintptr(p), 0); e != 0 {
		return fmt.Errorf("setgroups: %w", e)
	}
	return nil
}

// setgid sets the effective gid, and with it fsgid; unlike setfsgid it says
// whether it did. (A thread's effective uid stays: it would let the caller set
// its priority and affinity.)
func (p *process) setgid(c *creds, to uint32) error {
	if c.gid == p.gid {
		return nil
	}
	const same = math.MaxUint32
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, same, uintptr(to), same); e != 0 || to == same {
		return fmt.Errorf("setresgid %d: %w", to, cmp.Or(e, unix.EPERM))
	}
	return nil
}

// setfsuid sets fsuid and asks whether it took: the system call reports no
// error, it returns the id that was in force before. An id that nobody has
// changes nothing.
func setfsuid(to uint32) error {
	unix.RawSyscall(unix.SYS_SETFSUID, uintptr(to), 0, 0)
	if now := fsuid(); now != to || to == math.MaxUint32 {
		return fmt.Errorf("setfsuid %d: %w", to, unix.EPERM)
	}
	return nil
}

func fsuid() uint32 {
	r, _, _ := unix.RawSyscall(unix.SYS_SETFSUID, math.MaxUint32, 0, 0)
	return uint32(r)
}
