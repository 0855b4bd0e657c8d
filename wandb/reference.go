package wandb

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strings"
	"syscall"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/wandb/internal/gql"
)

// listed returns an entry as a listing has it: what it takes to find out more is left
// to whoever looks at the file itself.
func (f *files) listed(name string, i int, e *entry) store.File {
	file := store.File{Name: name, Size: e.size}
	if p, ok := f.localPath(e); ok {
		file.Local = p
	} else {
		file.Object = &object{f: f, i: i}
	}
	return file
}

// file returns an entry's file.
func (f *files) file(ctx context.Context, i int, e *entry) (store.File, error) {
	name := e.path[strings.LastIndexByte(e.path, '/')+1:]
	scheme, _, isURI := strings.Cut(e.ref, "://")
	switch {
	case e.ref == "":
	case scheme == "file":
		if _, ok := f.localPath(e); !ok {
			return store.File{}, fmt.Errorf("it is a reference to %s, which is no path on this machine: %w", clean(e.ref), syscall.EIO)
		}
	case scheme == "wandb-artifact":
		file, err := f.follow(ctx, e)
		file.Name = name
		return file, err
	case scheme == "http" || scheme == "https":
	case scheme == "s3" || scheme == "gs":
	default:
		if !isURI {
			scheme = "another kind"
		}
		return store.File{}, fmt.Errorf("it is a reference of %s that cannot be read here, %s: %w", scheme, clean(e.ref), syscall.EOPNOTSUPP)
	}
	return f.listed(name, i, e), nil
}

// localPath returns where the file of a file:// reference is on this machine.
func (f *files) localPath(e *entry) (string, bool) {
	p, ok := e.loggedPath()
	if !ok {
		return "", false
	}
	return f.s.mapped(context.Background(), p), true
}

// loggedPath returns the path of a file:// reference.
func (e *entry) loggedPath() (string, bool) {
	p, ok := strings.CutPrefix(e.ref, "file://")
	p = strings.TrimPrefix(p, "localhost")
	if !ok || !strings.HasPrefix(p, "/") {
		return "", false
	}
	dir, rel := divide(p, e.path)
	return path.Join(dir, rel), true
}

// maxDepth is how long a chain of references to artifacts can be.
const maxDepth = 32

// follow returns the file that a reference to another artifact leads to.
func (f *files) follow(ctx context.Context, e *entry) (store.File, error) {
	rest := strings.TrimPrefix(e.ref, "wandb-artifact://")
	hexID, file, _ := strings.Cut(rest, "/")
	raw, err := hex.DecodeString(hexID)
	if err != nil || file == "" {
		return store.File{}, fmt.Errorf("its reference %s names no artifact: %w", clean(e.ref), syscall.EIO)
	}
	id := base64.StdEncoding.EncodeToString(raw)
	loop := f.depth >= maxDepth
	for up := f; up != nil; up = up.from {
		loop = loop || up.id == id && up.path == file
	}
	if loop {
		return store.File{}, fmt.Errorf("its reference to another artifact leads back to itself: %w", syscall.ELOOP)
	}
	to, err := f.s.filesByID(ctx, id)
	if err != nil {
		return store.File{}, err
	}
	other := *to
	other.from, other.depth, other.path = f, f.depth+1, file
	return other.Stat(ctx, file)
}

// filesByID returns the files of an artifact that a reference names. They are not to be
// changed: a directory of references asks for the same ones again and again.
func (s *Source) filesByID(ctx context.Context, id string) (*files, error) {
	if f, ok := s.linked.Get(id); ok {
		return f, nil
	}
	v, err := s.artifact(ctx, id)
	if err != nil {
		return nil, err
	}
	if v == nil || v.State != gql.ArtifactStateCommitted || v.ArtifactSequence.Project == nil || v.VersionIndex == nil {
		return nil, fmt.Errorf("the artifact that it refers to is gone from W&B at %s, or the key may not see it: %w", s.c, fs.ErrNotExist)
	}
	seq := v.ArtifactSequence
	at := collection{entity: seq.Project.Entity.Name, project: seq.Project.Name, name: seq.Name}
	f, err := s.filesOf(ctx, at.String(), *v.VersionIndex, at, id)
	if err == nil {
		s.linked.Add(id, f)
	}
	return f, err
}

// webReference returns how an http(s) reference is read.
func (f *files) webReference(e *entry) (*web, error) {
	u, err := url.Parse(e.ref)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("its reference %s cannot be read here: %w", clean(e.ref), syscall.EOPNOTSUPP)
	}
	tag := e.etag
	if tag == "" && e.digest != e.ref {
		tag = e.digest
		if _, hash := e.hexDigest(); hash {
			tag = "" // of the address, not of the content
		}
	}
	ref := e.ref
	return &web{
		c: f.s.c, by: f.s.references, what: "file " + e.path + " of " + f.of + ", a reference to " + clean(u.Redacted()), etag: tag, size: e.size,
		address: func(context.Context, string) (string, error) { return ref, nil },
	}, nil
}
