//go:build linux

package fs

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

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
	Lane       string // "", "auto", "passthrough", "copy", "symlink"
	Source     string // the first column of df; "" is "artifactfs"
	Debug      bool   // log every FUSE request
	Log        *slog.Logger
}

// Server is a mount being served.
type Server struct {
	dir   string
	fuse  *fuse.Server
	lanes *nodes.Lanes
	pass  *nodes.Passthrough
	once  sync.Once
}

// Mount mounts tree at dir, and returns when it can be read. As root it needs no
// helper; otherwise fusermount3 mounts it.
func Mount(dir string, tree *resolver.Tree, o *Options) (*Server, error) {
	if o == nil {
		o = &Options{}
	}
	log := o.Log
	if log == nil {
		log = slog.Default()
	}
	pass, why := passthrough(o.Lane)
	root, lanes := nodes.New(tree, &nodes.Options{Passthrough: pass, Why: why, Log: log})
	opts := fuseOptions(o, log)
	srv, err := fuse.NewServer(nodes.Wrap(fusefs.NewNodeFS(root, &fusefs.Options{
		MountOptions:    opts,
		NullPermissions: true,
	}), pass), dir, &opts)
	if err != nil {
		return nil, explain(dir, err)
	}
	s := &Server{dir: dir, fuse: srv, lanes: lanes, pass: pass}
	go srv.Serve()
	if err := srv.WaitMount(); err != nil {
		srv.Unmount()
		return nil, explain(dir, err)
	}
	setReadAhead(dir, log)
	return s, nil
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
	source := o.Source
	if source == "" {
		source = "artifactfs"
	}
	opts := fuse.MountOptions{
		AllowOther:        o.AllowOther,
		FsName:            source,
		Name:              "artifactfs",
		MaxWrite:          nodes.MaxRead,
		MaxReadAhead:      nodes.MaxRead,
		MaxBackground:     64,
		MaxStackDepth:     1, // ordinary file systems only: what passthrough reaches
		DirectMountStrict: os.Geteuid() == 0,
		Debug:             o.Debug,
	}
	opts.Logger = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	return opts
}

// explain adds the way out to the two failures that nearly every first mount has.
func explain(dir string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT) && missing("/dev/fuse"):
		return fmt.Errorf("mount %s: there is no /dev/fuse: load the fuse module, or start the container with --device /dev/fuse", dir)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("mount %s: %w: mounting needs CAP_SYS_ADMIN and /dev/fuse, or fusermount3 (Debian: apt install fuse3)", dir, err)
	}
	return fmt.Errorf("mount %s: %w", dir, err)
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, os.ErrNotExist)
}

// Wait returns when the mount is gone, by Unmount or from outside.
func (s *Server) Wait() { s.fuse.Wait() }

// Unmount takes the mount away. While something is open in it, it is EBUSY.
func (s *Server) Unmount() error {
	if err := s.fuse.Unmount(); err != nil {
		return fmt.Errorf("unmount %s: %w", s.dir, err)
	}
	return nil
}

// Detach takes the mount out of the tree at once; what is open in it goes on
// being served until it is closed.
func (s *Server) Detach() error {
	var err error
	s.once.Do(func() { err = detach(s.dir) })
	if err != nil {
		return fmt.Errorf("unmount %s: %w", s.dir, err)
	}
	return nil
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
	st := Status{Lane: lane, Why: why, Versions: s.lanes.Versions()}
	if s.pass != nil {
		st.Refused = s.pass.Refused()
	}
	return st
}
