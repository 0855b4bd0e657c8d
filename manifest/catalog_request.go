package manifest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

const (
	// requestPoll is how often an earlier writer of a request_id is asked after.
	requestPoll = 200 * time.Millisecond
	// requestDead is how long a writer may be silent before it is taken for dead.
	requestDead = time.Minute
)

// once logs the draft, unless its request_id was logged under this name before. The
// object of a request_id says "working" and by whom, or the version that answered it.
func (c *Catalog) once(ctx context.Context, name string, dr *Draft) (v int, again bool, err error) {
	if dr.RequestID == "" {
		v, err := c.version(ctx, name, dr)
		return v, false, err
	}
	give, err := c.requests.take(ctx, name+"\x00"+dr.RequestID)
	if err != nil {
		return 0, false, err
	}
	defer give()
	key := requestKey(name, dr.RequestID)
	working := "working " + unique("-") + "\n"
	if v, err := c.takeRequest(ctx, name, key, working); err != nil || v > 0 {
		return v, true, err
	}
	v, err = c.version(ctx, name, dr)
	answer := Version(v).String() + "\n"
	if err != nil {
		answer = "failed\n"
	}
	if err2 := c.b.Write(ctx, key, []byte(answer)); err == nil && err2 != nil {
		c.log.Warn("request_id cannot be kept", "store", c.b.String(), "artifact", name, "version", v, "err", err2)
	}
	return v, false, err
}

func requestKey(name, id string) string {
	sum := sha256.Sum256([]byte(name + "\x00" + id))
	hash := hex.EncodeToString(sum[:])
	return ownDir + "/requests/" + hash[:2] + "/" + hash
}

// takeRequest makes the request this writer's, or returns the version that answered
// it. It waits for one that is at work.
func (c *Catalog) takeRequest(ctx context.Context, name, key, working string) (int, error) {
	text, since := "", time.Time{}
	for {
		err := c.create(ctx, key, []byte(working))
		if !errors.Is(err, fs.ErrExist) {
			return 0, err
		}
		b, tag, err := c.b.Read(ctx, key, 1024)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if v, ok := ParseVersion(strings.TrimSpace(string(b))); ok {
			there, err := c.complete(ctx, name, int(v))
			if err != nil || there {
				return int(v), err
			}
		}
		if string(b) != text {
			text, since = string(b), time.Now()
		}
		if !strings.HasPrefix(text, "working ") || time.Since(since) > requestDead {
			err := c.b.Replace(ctx, key, []byte(working), tag)
			if !errors.Is(err, bucket.ErrChanged) {
				return 0, err
			}
			continue
		}
		select {
		case <-time.After(requestPoll):
		case <-ctx.Done():
			return 0, fmt.Errorf("request_id of %s: %w", name, ctx.Err())
		}
	}
}
