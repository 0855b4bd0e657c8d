package wandb

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/manifest"
)

// Source reads artifacts from a W&B server: those of the configured project by their
// name, those of others as ENTITY/PROJECT/NAME. Every caller gets the same answers,
// those that the key gets.
//
// Listings and aliases are kept for a while; when the server does not answer, the
// last answer goes on being given. Without one the error says what keeps it from
// answering, and is never fs.ErrNotExist.
type Source struct {
	c      *Client
	opt    SourceOptions
	health *health

	collections *recall[[]string] // by ENTITY/PROJECT
	projects    *recall[[]string] // by ENTITY
	listings    *recall[*listing] // by name
	records     *records
	indexes     *indexes
	local       *localCache
	references  *http.Client
	addresses   *lru.Cache[string, *signed] // by artifact and collection
	linked      *lru.Cache[string, *files]  // by artifact, of those that references lead to

	unmade atomic.Pointer[error] // the configured project does not exist yet

	exists func(context.Context, string) bool // whether there is something at a path
}

// SourceOptions change how a Source works; nil and zero values do.
type SourceOptions struct {
	TTL     time.Duration // how long listings and aliases are kept; 5 s
	Dir     string        // where large indexes lie; the system's temporary directory
	Log     *slog.Logger  // nil: nothing is logged
	Outside Outside       // where references may lead; nil: anywhere
}

// The sizes of what a Source remembers.
const (
	manyListings = 4096
	manyProjects = 256
)

// NewSource returns a Source. It asks the server nothing.
func NewSource(c *Client, o *SourceOptions) *Source {
	s := &Source{c: c}
	if o != nil {
		s.opt = *o
	}
	if s.opt.TTL <= 0 {
		s.opt.TTL = 5 * time.Second
	}
	if s.opt.Log == nil {
		s.opt.Log = slog.New(slog.DiscardHandler)
	}
	s.health = &health{server: func(k Kind, words string) *Error {
		if met := c.trouble.Load(); met != nil && k == Slow {
			return met
		}
		return c.fail(k, "", "%s", words)
	}}
	s.collections = newRecall(s.health, manyProjects, s.opt.TTL, s.listCollections)
	s.projects = newRecall(s.health, manyProjects, s.opt.TTL, s.listProjects)
	s.listings = newRecall(s.health, manyListings, s.opt.TTL, s.listVersions)
	s.records, s.indexes = newRecords(s), newIndexes(s)
	s.local = newLocalCache(c.config.CacheDir)
	if s.opt.Outside == nil {
		s.opt.Outside = &anywhere{open: bucket.Open}
	}
	s.references = newReferenceClient(s.opt.Outside)
	s.exists = pathExists
	s.addresses = newLRU[string, *signed](manyIndexes)
	s.linked = newLRU[string, *files](manyIndexes)
	return s
}

// String names the store, for messages.
func (s *Source) String() string { return "W&B at " + s.c.String() }

// entity returns the configured entity.
func (s *Source) entity(ctx context.Context) (string, error) { return ask(ctx, s.c.Entity) }

// Names returns the artifacts of the configured project, the projects of an entity
// (ENTITY), or the artifacts of one (ENTITY/PROJECT).
func (s *Source) Names(ctx context.Context, prefix string) ([]string, error) {
	if prefix != "" {
		if err := manifest.CheckName(prefix); err != nil {
			return nil, err
		}
	}
	switch strings.Count(prefix, "/") {
	case 0:
		own, err := s.ownNames(ctx)
		if prefix == "" || err != nil || slices.Contains(own, prefix) {
			if prefix != "" {
				own = nil // an artifact has none below it
			}
			return own, err
		}
		return s.projects.get(ctx, prefix)
	case 1:
		return s.collections.get(ctx, prefix)
	case 2:
		_, err := s.listings.get(ctx, prefix)
		return nil, err
	}
	return nil, s.absent(prefix)
}

// ownNames returns the artifacts of the configured project.
func (s *Source) ownNames(ctx context.Context) ([]string, error) {
	if err := s.health.down(s.opt.TTL); err != nil {
		// The entity may not be known yet, and must not be asked for now.
		if s.c.known() == "" {
			return nil, err
		}
	}
	if s.health.unwell() {
		ctx = once(ctx)
	}
	entity, err := s.entity(ctx)
	if err != nil {
		s.health.heard(err)
		return nil, err
	}
	return s.collections.get(ctx, entity+"/"+s.c.Project())
}

// Versions lists an artifact; fs.ErrNotExist if there is none of that name.
func (s *Source) Versions(ctx context.Context, name string) (*manifest.Listing, error) {
	l, err := s.listing(ctx, name)
	if err != nil {
		return nil, err
	}
	return &l.Listing, nil
}

func (s *Source) listing(ctx context.Context, name string) (*listing, error) {
	if err := manifest.CheckName(name); err != nil {
		return nil, err
	}
	if n := strings.Count(name, "/"); n != 0 && n != 2 {
		return nil, s.absent(name)
	}
	return s.listings.get(ctx, name)
}

// Manifest returns the record of one version: what its path, type, time, metadata
// and inputs are. A path of "" means that its data is the files that W&B stores.
func (s *Source) Manifest(ctx context.Context, name string, version int) (*manifest.Record, error) {
	l, err := s.listing(ctx, name)
	if err != nil {
		return nil, err
	}
	id, ok := l.ids[version]
	if !ok {
		return nil, s.noVersion(name, version)
	}
	return s.records.get(ctx, name, version, l.at, id)
}

// Trim gives back the memory of what was asked for long ago.
func (s *Source) Trim() {
	for s.listings.entries.Len() > manyListings/kept {
		s.listings.entries.RemoveOldest()
	}
	for s.records.kept.Len() > manyRecords/kept {
		s.records.kept.RemoveOldest()
	}
	s.addresses.Purge()
	s.linked.Purge()
	s.indexes.trim()
}

// kept is what part of what a Source remembers it keeps when memory is short.
const kept = 8

// Refresh forgets what is cached about name; "" is everything.
func (s *Source) Refresh(name string) {
	s.listings.forget(name)
	if strings.Count(name, "/") == 0 {
		s.collections.forget("")
		s.projects.forget("")
	} else {
		s.collections.forget(name[:strings.LastIndexByte(name, '/')])
	}
	s.health.forgive()
}

// Check asks the server something if it has not answered of late, so that Degraded and
// Unmade tell of now. It leaves at the end of ctx, and the answer counts when it comes.
func (s *Source) Check(ctx context.Context) {
	if !s.health.proven() {
		_, _ = s.ownNames(ctx)
	}
}

// Degraded returns why the server does not answer and since when, while it does not.
func (s *Source) Degraded() (since time.Time, cause error) {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	return s.health.since, s.health.err
}
