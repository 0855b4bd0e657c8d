package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

// LogOptions are what a log can be told.
type LogOptions struct {
	NoCheck bool // the data need not be there yet, nor be readable

	known bool // the artifact has versions: the store need not be asked whether it is new
}

// Result is what became of a log.
type Result struct {
	Name     string   `json:"name"`
	Version  int      `json:"version,omitzero"`   // in the manifest store; 0 if it was not logged there
	Manifest string   `json:"manifest,omitempty"` // the record, a path or a URI
	Path     string   `json:"path"`               // as recorded
	Aliases  []string `json:"aliases,omitempty"`
	Used     []string `json:"used_artifacts,omitempty"`
	New      bool     `json:"new_artifact,omitempty"` // there was none of this name
	Near     string   `json:"nearest,omitempty"`      // and this one's name is most like it
	Warning  string   `json:"warning,omitempty"`      // what was to follow the log and did not

	WandB *manifest.Push `json:"wandb,omitempty"` // what has become of it in W&B, if it was logged there
}

// log is Log.
func (t *Tree) log(ctx context.Context, name string, req *manifest.Request, o LogOptions) (*Result, error) {
	if t.opt.Disabled != "" {
		return nil, fmt.Errorf("log of %s: artifact tracking is switched off (%s): %w", name, t.opt.Disabled, syscall.EOPNOTSUPP)
	}
	if err := checkLog(name, req); err != nil {
		return nil, err
	}
	to, err := t.backends(name, req.Backends)
	if err == nil && to.store == nil {
		err = t.mayPush(ctx)
	}
	if err != nil {
		return nil, err
	}
	r := *req
	resolved, err := t.logPath(ctx, &r, o)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", name, err)
	}
	used, lacking := t.used(ctx)
	r.Used = merged(r.Used, used)
	producer := "local"
	if t.opt.Producer != nil {
		producer = t.opt.Producer(ctx)
	}
	d, err := r.Draft(name, t.opt.Now(), producer, resolved)
	if err != nil {
		return nil, err
	}
	d.Sidecar = sidecar(ctx, req, d)
	if id := t.jobOf(ctx); id != "" {
		d.Sidecar.Set("job", id)
	}
	if o := t.loggedContent(ctx, name, d, o); o != nil {
		d.Sidecar.Set("data", o)
	}
	out := &Result{Name: name, Path: d.Manifest.Path, Aliases: d.Aliases, Used: d.Manifest.UsedArtifacts}
	if i, ok := to.wandb.(Intender); ok && to.store != nil {
		if drop, err := i.Intend(ctx, name, d); err == nil { // else Push says so, once it is logged
			defer drop()
		}
	}
	if to.store != nil {
		if err := to.store.publish(ctx, name, d, o.known, out); err != nil {
			return nil, fmt.Errorf("log of %s: %w", name, err)
		}
	}
	if to.wandb != nil {
		version := manifest.NoVersion
		if to.store != nil {
			version, d = out.Version, to.store.recorded(ctx, name, out.Version, d)
		}
		if out.WandB, err = to.wandb.Push(ctx, name, version, d); err != nil && to.store == nil {
			return nil, fmt.Errorf("log of %s: %w", name, err)
		} else if errors.Is(err, fs.ErrInvalid) { // by push either
			out.undone(fmt.Errorf("in the manifest store alone: %w", err))
		} else if err != nil {
			out.undone(fmt.Errorf("not logged to W&B (artifactfs push %s:v%d does it): %w", name, out.Version, err))
		}
	}
	if lacking != nil {
		out.undone(fmt.Errorf("used_artifacts may lack what the job has used: %w", lacking))
	}
	if out.Warning != "" {
		t.opt.Log.Warn("logged, but not all that was to follow", "artifact", name, "version", out.Version, "err", out.Warning)
	}
	t.opt.Log.Info("published", "artifact", name, "version", out.Version, "path", out.Path, "new", out.New, "wandb", out.WandB != nil)
	return out, nil
}

// undone notes what was to follow a log: as an error it would have the version
// logged again.
func (r *Result) undone(err error) {
	if r.Warning != "" {
		r.Warning += "; "
	}
	r.Warning += err.Error()
}

// merged is a and what b has beside it.
func merged(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// checkLog refuses what no store would take.
func checkLog(name string, req *manifest.Request) error {
	if err := loggable(name); err != nil {
		return err
	}
	for _, a := range req.Aliases {
		if err := manifest.CheckAlias(a); err != nil {
			return fmt.Errorf("log of %s: %w", name, err)
		}
	}
	return nil
}

// loggable refuses names that no artifact can have, and those that a reference
// would read as another name. Records that have one stay readable in the tree.
func loggable(name string) error {
	if err := manifest.CheckNew(name); err != nil {
		return err
	}
	if r, err := manifest.ParseRef(name); err != nil || r.Name != name || r.Version != manifest.Latest || r.Sub != "" {
		return fmt.Errorf("artifact name %q: a colon begins the version in a reference, so none would reach it; name it without: %w", name, fs.ErrInvalid)
	}
	return nil
}

// isFirst reports whether version n is all there is of an artifact. Only a low
// number is worth a listing: those before it may be numbers without a record.
func (t *Tree) isFirst(ctx context.Context, name string, n int) (bool, error) {
	if n > 8 {
		return false, nil
	}
	l, err := t.src.Versions(ctx, name)
	return err == nil && len(l.Versions) == 1 && len(l.Retired) == 0, err
}

// logPath settles what r's path means: in the writer's namespace, and inside the
// mount. It returns the path to record for links followed, "" to record r's own.
func (t *Tree) logPath(ctx context.Context, r *manifest.Request, o LogOptions) (string, error) {
	if r.Remote() {
		local, err := fileURI(r.Path)
		if err == nil && local == "" && t.opt.Remote != nil && t.opt.Remote.Has(r.Path) {
			err = t.checkRemote(ctx, r.Path, o)
		}
		if err != nil || local == "" {
			return "", err
		}
		r.Path = local
	}
	host, err := t.data.WriterPath(ctx, r.Path)
	if o.NoCheck && errors.Is(err, fs.ErrNotExist) {
		host, err = t.unborn(ctx, r.Path)
	}
	if err != nil {
		return "", err
	}
	r.Path = host
	if in, ok := t.belowMount(r.Path); ok {
		if err := t.logMounted(ctx, r, in); err != nil {
			return "", err
		}
	}
	p, err := t.checkData(ctx, r.Path, o)
	if err != nil || !r.Checkpoint() {
		return p, err
	}
	if !o.NoCheck {
		base := p
		if iterName.MatchString(filepath.Base(p)) {
			base = filepath.Dir(p)
		}
		_, err = t.iterationIn(ctx, base, *r.Iteration)
	}
	return "", err
}

// checkRemote looks whether there is data at a URI, and whether it may lie there.
func (t *Tree) checkRemote(ctx context.Context, uri string, o LogOptions) error {
	if err := t.opt.Remote.Allowed(uri); err != nil || o.NoCheck {
		return err
	}
	err := t.isAt(ctx, uri)
	if f, ok := t.opt.Remote.(Forgetter); ok && errors.Is(err, fs.ErrNotExist) { // it may have been put there since
		f.Forget(uri)
		err = t.isAt(ctx, uri)
	}
	return err
}

// isAt is an error unless there is something at a URI.
func (t *Tree) isAt(ctx context.Context, uri string) error {
	files, err := t.opt.Remote.Files(ctx, uri)
	if err == nil {
		_, err = files.Stat(ctx, "")
	}
	return err
}

// fileURI returns the path that a file:// URI names, and "" for any other. It means
// what that path means: data_roots and the writer's namespace hold for it too, so it
// is the path that is recorded.
func fileURI(uri string) (string, error) {
	scheme, rest, _ := strings.Cut(uri, "://")
	if !strings.EqualFold(scheme, "file") {
		return "", nil
	}
	if !strings.HasPrefix(rest, "/") {
		return "", fmt.Errorf("%s names a host; a local path is file:///path: %w", uri, fs.ErrInvalid)
	}
	return rest, nil
}

// checkData returns where path leads, once the caller has been found to be able
// to read it there. Unchecked, it must still not lead out of data_roots.
func (t *Tree) checkData(ctx context.Context, path string, o LogOptions) (string, error) {
	p, err := t.data.Resolve(ctx, path)
	if err == nil && !o.NoCheck {
		mask := uint32(4)
		switch p.Attr.Mode & syscall.S_IFMT {
		case syscall.S_IFDIR:
			mask |= 1
		case syscall.S_IFREG:
		default:
			return "", fmt.Errorf("%s is neither a file nor a directory: %w", p.Path, fs.ErrInvalid)
		}
		err = t.data.Access(ctx, p.Path, mask)
	}
	if err == nil || !o.NoCheck || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ELOOP) {
		return p.Path, err
	}
	// What is there of the path must be inside.
	for up := filepath.Dir(path); ; up = filepath.Dir(up) {
		p, err := t.data.Resolve(ctx, up)
		if err == nil {
			rest, _ := filepath.Rel(up, path)
			return filepath.Join(p.Path, rest), nil
		}
		if errors.Is(err, syscall.EPERM) || up == "/" {
			return "", err
		}
	}
}

// belowMount returns path relative to a mount of this tree that it lies in.
func (t *Tree) belowMount(path string) (string, bool) {
	if t.opt.Mounts == nil {
		return "", false
	}
	for _, m := range t.opt.Mounts() {
		if within(filepath.Clean(path), filepath.Clean(m)) {
			rest, err := filepath.Rel(m, path)
			return rest, err == nil
		}
	}
	return "", false
}

// logMounted replaces a path inside the mount by that of the data it stands for,
// and notes that version as used.
func (t *Tree) logMounted(ctx context.Context, r *manifest.Request, in string) error {
	var v *Version
	e, _, err := t.walk(ctx, in, true)
	if out, ok := errors.AsType[*leaves](err); ok {
		v, r.Path, err = out.version, out.path, nil
	}
	if err != nil {
		return err
	}
	switch n := e.Node.(type) {
	case *versionDir:
		if v, err = n.t.withBase(ctx, n.name, n.n); err != nil {
			return err
		}
		r.Path = v.Base
	case *dataDir:
		v, r.Path = n.v, n.real
	case *dataFile:
		v, r.Path = n.v, n.real
	}
	if s, ok := e.Node.(Versioned); ok && v == nil {
		name, n := s.Which()
		return fmt.Errorf("%s is kept by the store of %s:%v, and has no path that a version could record: %w", in, name, manifest.Version(n), errors.ErrUnsupported)
	}
	if v == nil {
		return fmt.Errorf("%s in the mount is no data, and no version would hold it: %w", in, syscall.ELOOP)
	}
	if ref := t.refOf(ctx, v.Name, t.sideOf(v).own(ctx, v.Name, v.N)); !slices.Contains(r.Used, ref) {
		r.Used = append(slices.Clone(r.Used), ref)
	}
	return nil
}

// sidecar is what is worth knowing of a log that upstream's record has no place for.
func sidecar(ctx context.Context, req *manifest.Request, d *manifest.Draft) manifest.Object {
	o := manifest.Object{}
	if c, ok := store.CallerOf(ctx); ok {
		o.Set("uid", int(c.UID))
		o.Set("gid", int(c.GID))
		o.Set("pid", int(store.TGID(c.PID)))
	} else {
		o.Set("uid", os.Getuid())
		o.Set("gid", os.Getgid())
		o.Set("pid", os.Getpid())
	}
	if host, err := os.Hostname(); err == nil {
		o.Set("host", host)
	}
	if req.RequestID != "" {
		o.Set("request_id", req.RequestID)
	}
	if req.Path != d.Manifest.Path {
		o.Set("written_path", req.Path)
	}
	return o
}
