//go:build linux

package nodes

import (
	"fmt"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Passthrough hands open files to the kernel (FUSE_DEV_IOC_BACKING_OPEN, Linux
// 6.9), which then reads them itself.
//
// go-fuse can do this too (FilePassthroughFder), but issues the ioctl after the
// node's Open has returned, with the daemon's credentials, while the kernel reads
// with those of the ioctl; and one refusal turns the feature off for the mount.
// Here the ioctl is made where the file was opened, as the caller, and a refusal
// concerns one file system.
type Passthrough struct {
	mu      sync.Mutex
	server  *fuse.Server
	off     string            // why it is off for the whole mount
	fit     map[uint64]bool   // by st_dev: its files have been taken before
	refused map[uint64]string // by st_dev: why its files go by copy
	tickets map[uint32]int32
	last    uint32
}

// start is called once the kernel has said what it can do.
func (p *Passthrough) start(s *fuse.Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = s
	if s.KernelSettings().Flags64()&fuse.CAP_PASSTHROUGH == 0 {
		p.off = "this kernel has no FUSE passthrough (Linux 6.9 or newer, CONFIG_FUSE_PASSTHROUGH)"
	}
}

// Off says why no file is passed through; "" if files may be.
func (p *Passthrough) Off() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.off
}

func (p *Passthrough) register(fd int, dev uint64) (id int32, why string) {
	p.mu.Lock()
	server, why := p.server, p.off
	if why == "" {
		why = p.refused[dev]
	}
	fit := p.fit[dev]
	p.mu.Unlock()
	if why != "" {
		return 0, why
	}
	if !fit {
		why = unfit(fd)
	}
	if why == "" {
		id, errno := server.RegisterBackingFd(&fuse.BackingMap{Fd: int32(fd)})
		if errno == 0 {
			if !fit {
				p.taken(dev)
			}
			return id, ""
		}
		why = fmt.Sprintf("the kernel refused passthrough for this file system: %v", errno)
		if errno == unix.ENOMEM || errno == unix.EMFILE || errno == unix.ENFILE || errno == unix.ENOSPC {
			return 0, why // a shortage passes
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused == nil {
		p.refused = make(map[uint64]string)
	}
	p.refused[dev] = why
	return 0, why
}

func (p *Passthrough) taken(dev uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fit == nil {
		p.fit = make(map[uint64]bool)
	}
	p.fit[dev] = true
}

// unfit says why a file's file system cannot be passed through, without trying.
func unfit(fd int) string {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return ""
	}
	switch st.Type {
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs below: the kernel passes through no stacked file system"
	case unix.FUSE_SUPER_MAGIC:
		return "FUSE below: the kernel passes through no stacked file system"
	}
	return ""
}

func (p *Passthrough) release(id int32) {
	p.mu.Lock()
	server := p.server
	p.mu.Unlock()
	server.UnregisterBackingFd(id)
}

// Refused reports why each file system that was tried is not passed through, by
// device number.
func (p *Passthrough) Refused() map[uint64]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := make(map[uint64]string, len(p.refused))
	for k, v := range p.refused {
		m[k] = v
	}
	return m
}

// go-fuse gives a node no way to answer an open with a backing id, but passes its
// open flags on untouched. The bits that the kernel has no use for carry a ticket
// from the node to the RawFileSystem wrapper (raw.go), which answers with the id.
const (
	ticketShift = 8
	ticketMask  = 1<<23 - 1
	dropCache   = 1 << 31 // on opendir: what the kernel has cached is out of date
)

func (p *Passthrough) ticket(id int32) uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tickets == nil {
		p.tickets = make(map[uint32]int32)
	}
	for {
		p.last = (p.last + 1) & ticketMask
		if _, taken := p.tickets[p.last]; !taken && p.last != 0 {
			p.tickets[p.last] = id
			return p.last << ticketShift
		}
	}
}

// redeem turns a ticket in open flags into the kernel's own flag and backing id.
func (p *Passthrough) redeem(out *fuse.OpenOut) {
	t := out.OpenFlags >> ticketShift & ticketMask
	if t == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out.OpenFlags = out.OpenFlags&(1<<ticketShift-1) | fuse.FOPEN_PASSTHROUGH
	out.BackingID = p.tickets[t]
	delete(p.tickets, t)
}
