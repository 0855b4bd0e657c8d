package resolver

import (
	"context"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

// Log logs a new version of name, as the caller, and returns when it is durable.
func (t *Tree) Log(ctx context.Context, name string, req *manifest.Request, o LogOptions) (*Result, error) {
	begin := time.Now()
	out, err := t.log(ctx, name, req, o)
	if t.opt.Logged != nil {
		t.opt.Logged(time.Since(begin), err)
	}
	return out, err
}

// report is a text of the mount about itself, made when it is read.
type report func(context.Context) []byte

func (r report) Read(ctx context.Context) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	return r(ctx), nil
}
