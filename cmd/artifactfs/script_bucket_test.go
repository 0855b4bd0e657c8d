package main

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
)

// commandsOf are what a script has beside testscript's own commands: with a store of
// objects behind a proxy, if it says bucket.
func commandsOf(t *testing.T, file string) map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	script, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(script, []byte("\nbucket start\n")) {
		return scriptCommands
	}
	near := buckettest.S3(t)
	far, proxy := near.Through(t)
	all := maps.Clone(scriptCommands)
	all["bucket"] = (&scriptBucket{near, far, proxy}).run
	return all
}

// scriptBucket is a bucket for a script. bucket start sets the variables that lead to it:
// $BUCKET is where data lies, and $REACH the same with what it takes to reach it. bucket
// put KEY FILE and bucket rm KEY change what is in it; bucket down and bucket up take it
// off the network and bring it back.
type scriptBucket struct {
	near, far buckettest.Store
	proxy     *buckettest.Proxy
}

func (s *scriptBucket) run(ts *testscript.TestScript, neg bool, args []string) {
	switch args[0] {
	case "start":
		for _, key := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
			ts.Setenv(key, os.Getenv(key))
		}
		at, _, _ := strings.Cut(s.far.URI, "?")
		ts.Setenv("BUCKET", at)
		ts.Setenv("REACH", s.far.URI)
	case "put":
		data, err := os.ReadFile(ts.MkAbs(args[2]))
		ts.Check(err)
		s.with(ts, func(b *bucket.Bucket) error { return b.Write(context.Background(), args[1], data) })
	case "rm":
		s.with(ts, func(b *bucket.Bucket) error { return b.Remove(context.Background(), args[1]) })
	case "down":
		s.proxy.Break(func(*http.Request) buckettest.Fault { return buckettest.Fault{Reset: true} })
	case "up":
		s.proxy.Break(nil)
	default:
		ts.Fatalf("bucket %s?", args[0])
	}
}

func (s *scriptBucket) with(ts *testscript.TestScript, fn func(*bucket.Bucket) error) {
	u, err := bucket.Parse(s.near.URI)
	ts.Check(err)
	b, err := bucket.Open(context.Background(), u)
	ts.Check(err)
	defer b.Close()
	ts.Check(fn(b))
}
