package outbox

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"sync"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb"
)

// Options are what an outbox has to know. All but Client may be left out.
type Options struct {
	// Client returns a client for a server ("" is the configured one). It is asked at
	// each try, so that a key that was changed counts, and none is kept.
	Client func(server string) (*wandb.Client, error)

	// Where to log what is pushed from now on. What lies in the outbox goes where it
	// was meant to go.
	Server, Entity, Project string

	Store string       // root of the manifest store, which tells its versions from another's
	Data  *store.Local // how the data is looked at

	// Env returns the caller's environment, as far as W&B and jobs are concerned.
	Env func(ctx context.Context) map[string]string

	// Done is told of each version that W&B has, until it returns nil. It is told again
	// where a process ended in between.
	Done func(ctx context.Context, p *manifest.Push) error

	// Find returns the version of the manifest store that has this metadata.json;
	// fs.ErrNotExist if none has. Without it nothing is done about a process that ends
	// after a version got its number and before it was pushed.
	Find func(ctx context.Context, name string, metadata []byte) (int, error)

	// Used says which version of W&B's a reference in used_artifacts means: as
	// [ENTITY/PROJECT/]NAME:VERSION, fs.ErrNotExist if it is none of W&B's.
	Used func(ctx context.Context, ref string) (string, error)

	// Known returns what W&B calls a version of the manifest store that was pushed long
	// ago, or from another machine: fs.ErrNotExist if that is not known.
	Known func(ctx context.Context, name string, version int) (*manifest.Push, error)

	Log *slog.Logger
}

// Outbox is versions on their way to W&B. It is safe for concurrent use, and several
// processes may have one directory.
type Outbox struct {
	opt     Options
	box     box
	max     int           // files referred to in one directory
	wait    time.Duration // how long Push looks at data before it answers
	request time.Duration // one question to W&B, with its retries
	step    func(string)  // for tests: called between any two things that last
	pace    func(tries int) time.Duration

	kick   chan struct{}
	closed context.Context
	close  context.CancelFunc

	group sync.WaitGroup // what Push left in the background
}

// Open opens an outbox. It speaks to nobody, and makes no directory: the first push
// does.
func Open(dir string, opt Options) *Outbox {
	if opt.Data == nil {
		opt.Data = store.NewLocal(nil)
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Env == nil {
		opt.Env = func(context.Context) map[string]string { return nil }
	}
	if opt.Project == "" {
		opt.Project = wandb.DefaultProject
	}
	if opt.Server == "" {
		opt.Server = wandb.DefaultBaseURL
	}
	o := &Outbox{
		opt: opt, box: box{dir}, max: maxObjects, wait: 2 * time.Second,
		request: 2 * time.Minute, step: func(string) {}, pace: pace,
		kick: make(chan struct{}, 1),
	}
	o.closed, o.close = context.WithCancel(context.Background())
	return o
}

// Close waits for what Push left in the background, which it cuts short: the next
// process begins it anew.
func (o *Outbox) Close() {
	o.close()
	o.group.Wait()
}

// Push takes a draft. When it returns without an error the draft is on disk. A
// version of the manifest store is pushed once: a second push of it is the first.
// fs.ErrInvalid says that W&B would never take it.
func (o *Outbox) Push(ctx context.Context, name string, version int, d *manifest.Draft) (*manifest.Push, error) {
	if err := check(name, d); err != nil {
		return nil, err
	}
	it := o.newItem(ctx, name, version, d)
	if p, err := o.Pushed(ctx, it.ID); err == nil {
		return p, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := o.look(ctx, it); err != nil {
		return nil, fmt.Errorf("artifact %s: outbox for W&B: %w", name, err)
	}
	o.step("looked")
	err := o.box.write(it.ID+itemExt, it, true)
	if errors.Is(err, fs.ErrExist) {
		return o.Pushed(ctx, it.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("artifact %s: outbox for W&B: %w", name, err)
	}
	o.step("queued")
	o.Kick()
	return it.push(), nil
}

// Pushed returns what has become of a push.
func (o *Outbox) Pushed(_ context.Context, id string) (*manifest.Push, error) {
	if !validID(id) {
		return nil, fmt.Errorf("push %q: %w", id, fs.ErrNotExist)
	}
	// It is in done before it leaves the queue.
	it, err := o.box.item(id)
	if err == nil {
		return it.push(), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	p, err := o.box.result(id)
	if err != nil {
		return nil, fmt.Errorf("push %s: %w", id, err)
	}
	return p, nil
}

// Of returns what has become of the push of a version of the manifest store.
func (o *Outbox) Of(ctx context.Context, name string, version int) (*manifest.Push, error) {
	return o.Pushed(ctx, o.idOf(name, version))
}

// List returns what is in the outbox, in the order in which it was asked for.
func (o *Outbox) List() ([]*manifest.Push, error) {
	all, _, err := o.box.items()
	var out []*manifest.Push
	for _, it := range all {
		out = append(out, it.push())
	}
	return out, err
}

// GiveUp takes a push out of the outbox, for good: W&B never gets it unless it is
// pushed again. It is kept beside, and returned is where. fs.ErrNotExist says that it
// is not in the outbox, as when it was pushed meanwhile.
func (o *Outbox) GiveUp(ctx context.Context, id string) (string, error) {
	release, err := o.turn(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	it, err := o.box.item(id)
	if err != nil {
		return "", fmt.Errorf("outbox for W&B: push %s: %w", id, err)
	}
	to, err := o.box.aside(o.box.path(it.ID + itemExt))
	if err != nil {
		return "", fmt.Errorf("outbox for W&B: %w", err)
	}
	o.box.drop(it.ID)
	o.opt.Log.Warn("given up, not logged to W&B", "artifact", it.Name, "version", it.version(), "kept", to)
	return to, nil
}

// Kick has Run look again now.
func (o *Outbox) Kick() {
	select {
	case o.kick <- struct{}{}:
	default:
	}
}

func (o *Outbox) newItem(ctx context.Context, name string, version int, d *manifest.Draft) *item {
	env := o.opt.Env(ctx)
	s := specOf(d)
	it := &item{
		Format: itemFormat, Created: time.Now().UTC(),
		Name: name, Store: o.opt.Store,
		Server: o.opt.Server, Entity: o.opt.Entity, Project: o.opt.Project,
		Aliases: s.aliases(d.Aliases, env["NEMO_EXPERIMENT_ID"]),
		Used:    d.Manifest.UsedArtifacts, Inputs: inputsOf(d),
		Spec: s, Progress: newProgress(), State: manifest.PushQueued,
	}
	if v, _ := d.Metadata.Get("description"); v != nil {
		it.Text, _ = v.(string)
	}
	switch {
	case d.RequestID != "":
		it.ID = hashID("request", o.opt.Server, o.opt.Entity, o.opt.Project, name, d.RequestID)
	default:
		it.ID = randomID(26)
	}
	if c, ok := store.CallerOf(ctx); ok {
		it.Caller = &caller{c.UID, c.GID, store.TGID(c.PID)}
	}
	it.Run = o.runOf(ctx, it, env)
	it.setVersion(o, version)
	return it
}

// setVersion says which version of the manifest store it is.
func (it *item) setVersion(o *Outbox, version int) {
	it.Run.Name = it.Name
	if version >= 0 { // others than upstream number from 0
		it.Version, it.ID = &version, o.idOf(it.Name, version)
		it.Run.Name = fmt.Sprintf("%s:v%d", it.Name, version)
	}
	it.Run.ID = "afs" + it.ID[:min(len(it.ID), 24)]
}

// idOf is the same for one version wherever it is pushed from, so that it is pushed
// once.
func (o *Outbox) idOf(name string, version int) string {
	return hashID("version", o.opt.Store, name, fmt.Sprint(version), o.opt.Server, o.opt.Entity, o.opt.Project)
}

func hashID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:13])
}

func validID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, c := range id {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9') {
			return false
		}
	}
	return true
}

// randomID is n letters and digits; W&B's clients make ids of 128.
func randomID(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, n)
	for i := range b {
		k, err := rand.Int(rand.Reader, big.NewInt(int64(len(letters))))
		if err != nil {
			panic(err) // the system has no randomness
		}
		b[i] = letters[k.Int64()]
	}
	return string(b)
}

func newProgress() progress {
	return progress{ClientID: randomID(128), SequenceID: randomID(128)}
}

// asCaller is a context of who asked for a push.
func asCaller(ctx context.Context, c *caller) context.Context {
	if c == nil {
		return ctx
	}
	return store.WithCaller(ctx, store.Caller{UID: c.UID, GID: c.GID, PID: c.PID})
}
