//go:build linux

package fs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/nodes"
	"artifactfs.dev/artifactfs/resolver"
)

// Type is the file system's type in mountinfo, by which artifactfs knows its mounts.
const Type = "fuse.artifactfs"

// Options are a mount's. nil and the zero value are good.
type Options struct {
	AllowOther bool   // every user may enter; the tree must then act as the caller
	Lane       string // "", "auto", "bind", "passthrough", "copy", "symlink"
	Source     string // the first column of df; "" is "artifactfs"
	MaxBinds   int    // versions bound at a time; 0: 512
	ReadOnly   bool   // nothing is logged through it
	NoExec     bool   // nothing in it is run, nor in what is bound
	NoBinds    string // why nothing is to be bound; "": versions that qualify are
	Debug      bool   // log every FUSE request
	Log        *slog.Logger
}

func (o *Options) source() string {
	if o.Source == "" {
		return "artifactfs"
	}
	return o.Source
}

// DefaultMaxBinds is how many versions are bound at a time unless it is said.
const DefaultMaxBinds = 512

// Server is a mount being served.
type Server struct {
	dir      string
	fuse     *fuse.Server
	lanes    *nodes.Lanes
	pass     *nodes.Passthrough
	dev      uint64  // of the mount, as in st_dev
	binds    *binder // nil: no bind lane, and noBind says why
	noBind   string
	symlinks bool // vN is a link to the data
	log      *slog.Logger
	once     sync.Once
	counts   nodes.Counters
	tree     *resolver.Tree
	root     fusefs.InodeEmbedder
	ended    chan struct{} // closed when the mount is gone
	resting  sync.WaitGroup
	most     int  // names that the kernel may know
	noPrune  bool // it cannot be asked to forget any; for rest alone
}

// Mount mounts tree at dir, and returns when it can be read. As root it needs no
// helper; otherwise fusermount3 mounts it. A mount of artifactfs that is there
// already is taken over from, dead or alive: what is open in it goes on, and
// names lead into the new one from one moment to the next.
func Mount(dir string, tree *resolver.Tree, o *Options) (*Server, error) {
	if o == nil {
		o = &Options{}
	}
	s := &Server{dir: dir, log: o.Log, symlinks: o.Lane == "symlink", tree: tree, ended: make(chan struct{}), most: mostNames()}
	if s.log == nil {
		s.log = slog.Default()
	}
	own := &nodes.Own{}
	var why string
	s.pass, why = passthrough(o.Lane)
	no := &nodes.Options{Passthrough: s.pass, Why: why, Log: s.log, Opened: s.opened}
	if s.noBind = cmp.Or(noBinds(o.Lane), o.NoBinds); s.noBind == "" {
		s.binds = newBinder(dir, tree, own, cmp.Or(o.MaxBinds, DefaultMaxBinds), s.log)
		s.binds.noExec = o.NoExec
	}
	if o.Lane == "bind" && s.noBind != "" {
		return nil, fmt.Errorf("mount %s: data = \"bind\" cannot be had: %s; data = \"auto\" takes the best lane that can", dir, s.noBind)
	}
	root, lanes, pins := nodes.New(tree, no)
	s.root, s.lanes = root, lanes
	if s.binds != nil {
		s.binds.lanes, s.binds.pins = lanes, pins
	}
	opts := fuseOptions(o, s.log)
	raw := nodes.Count(nodes.Wrap(fusefs.NewNodeFS(root, &fusefs.Options{MountOptions: opts, NullPermissions: true}), s.pass, own), &s.counts)
	if err := s.mount(raw, &opts, own, o); err != nil {
		return nil, explain(dir, err)
	}
	if s.binds != nil {
		s.binds.tasks.Go(s.binds.watch)
	}
	s.resting.Go(s.rest)
	return s, nil
}

// opened tells the binder, once it is noted who uses the version: what is bound is opened
// without anybody being asked.
func (s *Server) opened(ctx context.Context, name string, version int) {
	s.tree.Opened(ctx, name, version)
	if s.binds != nil {
		s.binds.want(name, version)
	}
}

// mount makes the mount before it shows it, where the kernel can.
func (s *Server) mount(raw fuse.RawFileSystem, opts *fuse.MountOptions, own *nodes.Own, o *Options) error {
	if os.Geteuid() == 0 {
		d, err := newDetached(o, opts.MaxWrite)
		if err == nil {
			defer unix.Close(d.mnt)
			return s.mountDetached(d, raw, opts, own)
		}
		s.log.Debug("mounting the old way", "why", err)
	}
	// What is left of a dead mount has to go first.
	if err := detachAll(s.dir); err != nil {
		return err
	}
	if err := s.serve(raw, s.dir, opts); err != nil {
		return err
	}
	fd, err := unix.Open(s.dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return own.Do(func() error { return s.mounted(fd) })
}

func (s *Server) mountDetached(d *detached, raw fuse.RawFileSystem, opts *fuse.MountOptions, own *nodes.Own) error {
	opts.DirectMountStrict = false // go-fuse is given the connection
	if err := s.serve(raw, fmt.Sprintf("/dev/fd/%d", d.dev), opts); err != nil {
		return err
	}
	own.Connected(d.dev)
	if err := own.Do(func() error { return s.mounted(d.mnt) }); err != nil {
		return err
	}
	before, err := oldAt(s.dir)
	if err != nil {
		return err
	}
	if before == nil {
		return d.attach(s.dir)
	}
	return s.replace(d, before)
}

// replace puts d in the place of the mount before, with what is bound there. That is
// best done before d is anywhere (Linux 6.15): a death in between leaves nothing half
// done.
func (s *Server) replace(d *detached, before *old) error {
	left, refused := s.takeOver(d, before.binds, false)
	if err := shed(s.dir, !refused); err != nil {
		return err
	}
	hidden := d.beneath(s.dir)
	if hidden == nil && refused {
		left, _ = s.takeOver(d, left, true) // nobody sees it yet
	}
	if err := detachAll(s.dir, d.mnt); err != nil {
		return err
	}
	if hidden != nil { // before Linux 6.5
		if err := d.attach(s.dir); err != nil {
			return err
		}
		if refused {
			left, _ = s.takeOver(d, left, true)
		}
	}
	if s.binds != nil {
		s.binds.later(left)
	}
	return nil
}

func (s *Server) takeOver(d *detached, paths []string, attached bool) (left []string, refused bool) {
	if s.binds == nil {
		return nil, false
	}
	return s.binds.takeOver(d.mnt, paths, attached)
}

// serve connects to the kernel and serves.
func (s *Server) serve(raw fuse.RawFileSystem, at string, opts *fuse.MountOptions) error {
	srv, err := fuse.NewServer(raw, at, opts)
	if err != nil {
		return err
	}
	s.fuse = srv
	go srv.Serve()
	return srv.WaitMount()
}

// mounted finds out what the mount, whose root is fd, is to the kernel.
func (s *Server) mounted(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	s.dev = uint64(st.Dev)
	setReadAhead(s.dev, s.log)
	if s.binds != nil {
		s.binds.mu.Lock()
		s.binds.dev = s.dev
		s.binds.mu.Unlock()
	}
	return nil
}

// noBinds says why nothing is bound; "" if versions may be.
func noBinds(lane string) string {
	switch lane {
	case "", "auto", "bind":
		return unbindable()
	}
	return fmt.Sprintf("data = %q is set", lane)
}

// passthrough decides whether files may be handed to the kernel, and says why not.
func passthrough(lane string) (*nodes.Passthrough, string) {
	switch {
	case lane == "copy":
		return nil, `data = "copy" is set`
	case lane == "symlink":
		return nil, `data = "symlink" is set`
	case os.Geteuid() != 0:
		return nil, "an unprivileged mount: the kernel takes backing files from CAP_SYS_ADMIN only"
	}
	return &nodes.Passthrough{}, ""
}

func fuseOptions(o *Options, log *slog.Logger) fuse.MountOptions {
	opts := fuse.MountOptions{
		AllowOther:        o.AllowOther,
		FsName:            o.source(),
		Name:              "artifactfs",
		MaxWrite:          nodes.MaxRead,
		MaxReadAhead:      nodes.MaxRead,
		MaxBackground:     64,
		MaxStackDepth:     1, // ordinary file systems only: what passthrough reaches
		DirectMountStrict: os.Geteuid() == 0,
		Debug:             o.Debug,
	}
	if os.Geteuid() != 0 {
		opts.Options = o.helperOptions()
	} else if o.ReadOnly || o.NoExec {
		opts.DirectMountFlags = o.flags()
	}
	opts.Logger = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	return opts
}

// Wait returns when the mount is gone, by Unmount or from outside. It is to be
// called once.
func (s *Server) Wait() {
	s.fuse.Wait()
	close(s.ended)
	s.resting.Wait()
	if s.binds != nil {
		s.binds.close()
	}
}

// Unmount takes the mount away, binds and all. While something is open in it, it
// is EBUSY.
func (s *Server) Unmount() error {
	if !s.onTop() {
		return nil
	}
	if s.binds != nil {
		if err := s.binds.release(); err != nil {
			s.binds.stay()
			return fmt.Errorf("unmount %s: %w", s.dir, err)
		}
	}
	err := s.unmount()
	if err != nil && s.binds != nil {
		s.binds.stay()
	}
	return err
}

func (s *Server) unmount() error {
	for wait := 5 * time.Millisecond; ; wait *= 2 {
		err := unmount(s.dir)
		if err == nil {
			return nil
		}
		// The kernel may still be about to release what was closed just now.
		if !errors.Is(err, unix.EBUSY) || wait > 100*time.Millisecond {
			return fmt.Errorf("unmount %s: %w", s.dir, err)
		}
		time.Sleep(wait)
	}
}

// Detach takes the mount out of the tree at once; what is open in it goes on
// being served until it is closed.
func (s *Server) Detach() error {
	if !s.onTop() {
		return nil
	}
	var err error
	s.once.Do(func() { err = detach(s.dir) })
	if err != nil {
		return fmt.Errorf("unmount %s: %w", s.dir, err)
	}
	return nil
}

// onTop reports whether what is mounted at our directory is ours: another daemon
// may have taken over.
func (s *Server) onTop() bool {
	top, err := Top(s.dir)
	return err != nil || top != nil && unix.Mkdev(uint32(top.Major), uint32(top.Minor)) == s.dev
}

// Warm binds a version now, and returns why it cannot be. What is not done when
// ctx ends goes on.
func (s *Server) Warm(ctx context.Context, name string, n int) error {
	if s.binds == nil {
		return errors.New(s.noBind)
	}
	return s.binds.warm(ctx, version{name, n})
}

// Counts are the requests served so far.
func (s *Server) Counts() nodes.Counts { return s.counts.Counts() }

// Names is how many files and directories the kernel knows, at most.
func (s *Server) Names() int { return nodes.Known(s.root) }

// SetMaxBinds changes how many versions may be bound at a time. What is bound
// beyond that goes when room is made for another.
func (s *Server) SetMaxBinds(n int) {
	if s.binds != nil {
		s.binds.mu.Lock()
		defer s.binds.mu.Unlock()
		s.binds.max = n
	}
}

// Status says how the mount serves data.
type Status struct {
	Lane     string              `json:"lane"`          // of what has not been read yet, at best
	Why      string              `json:"why,omitempty"` // why not a better one
	Versions []nodes.VersionLane `json:"versions"`
	Refused  map[uint64]string   `json:"refused,omitempty"` // by st_dev
}

// Status is safe for concurrent use.
func (s *Server) Status() Status {
	lane, why := s.lanes.Default()
	switch {
	case s.symlinks:
		lane, why = "symlink", ""
	case s.binds != nil:
		lane, why = "bind", ""
	case why == "":
		why = "no bind: " + s.noBind
	}
	st := Status{Lane: lane, Why: why, Versions: s.lanes.Versions()}
	if s.pass != nil {
		st.Refused = s.pass.Refused()
	}
	return st
}
