package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// commitFor is how long a log goes on against others that are always before it.
const commitFor = 5 * time.Minute

// logCommit logs a draft where every write is a commit: claim, record, latest, aliases
// and the answer to its request_id are one, on top of the commit in which the number
// was free and the request unanswered. Of several writers one wins, and the others
// look again.
func (c *Catalog) logCommit(ctx context.Context, name string, dr *Draft) (v int, again bool, err error) {
	// One at a time of this process: they would only lose to each other.
	give, err := c.turns.take(ctx, "")
	if err != nil {
		return 0, false, err
	}
	defer give()
	for begun, try := time.Now(), 1; ; try++ {
		v, again, err := c.tryCommit(ctx, name, dr)
		if !errors.Is(err, bucket.ErrChanged) || time.Since(begun) > commitFor {
			return v, again, err
		}
		select {
		case <-time.After(rand.N(min(time.Duration(try)*20*time.Millisecond, 500*time.Millisecond))):
		case <-ctx.Done():
			return 0, false, ctx.Err()
		}
	}
}

func (c *Catalog) tryCommit(ctx context.Context, name string, dr *Draft) (v int, again bool, err error) {
	view, err := c.b.View(ctx)
	if err != nil {
		return 0, false, err
	}
	request := requestKey(name, dr.RequestID)
	if dr.RequestID != "" {
		if v, err := c.answered(ctx, view, name, request); err != nil || v > 0 {
			return v, true, err
		}
	}
	top, err := highest(ctx, view.Bucket, name)
	if err != nil {
		return 0, false, err
	}
	old, err := c.legacyTop(ctx, view.Bucket, view.ID(), name)
	if err != nil {
		return 0, false, err
	}
	if top = max(top, old); top == math.MaxInt {
		return 0, false, fmt.Errorf("v%d leaves no higher number: %w", top, fs.ErrExist)
	}
	v = top + 1
	text := Version(v).String()
	files := map[string][]byte{
		ownKey("log", name, v):               sidecarOf(name, dr)(v),
		versionKey(name, v, "metadata.json"): dr.MetadataBytes(),
		versionKey(name, v, "manifest.json"): dr.ManifestBytes(v),
		name + "/" + Latest:                  []byte(text),
	}
	for _, alias := range dr.Aliases {
		files[name+"/"+alias] = []byte(text)
	}
	if dr.RequestID != "" {
		files[request] = []byte(text + "\n")
	}
	return v, false, view.Commit(ctx, "artifact: "+name+" "+text, files)
}

// answered returns the version that a request has got; 0 if none.
func (c *Catalog) answered(ctx context.Context, view *bucket.View, name, request string) (int, error) {
	b, _, err := view.Read(ctx, request, 1024)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	v, ok := ParseVersion(strings.TrimSpace(string(b)))
	if err != nil || !ok {
		return 0, err
	}
	there, err := c.complete(ctx, name, int(v))
	if !there {
		return 0, err
	}
	return int(v), err
}
