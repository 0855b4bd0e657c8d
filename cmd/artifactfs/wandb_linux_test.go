package main

import (
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// wandbServers are the W&B servers of scripts, by working directory.
var wandbServers sync.Map

// wandbServer is a W&B server for a script. wandb start starts it and sets the
// variables that lead to it; wandb down and wandb up take it off the network and bring
// it back. wandb has data 'v0 latest' compares the versions of an artifact and their
// aliases; wandb stores w f text logs a file that W&B keeps; wandb spoils has the next one read with a wrong byte, wandb breaks none read at all; wandb serves
// has a web server of the working directory at $WEB, and wandb refers w g $WEB/f logs a reference to its file f; wandb checked c DIR logs references to a directory with checksums; wandb run job7 begins a run, and wandb loggedby data v0 job7 says whether it
// logged a version, wandb usedby whether it used one; wandb secret looks for the key in every file below the working directory.
func wandbServer(ts *testscript.TestScript, neg bool, args []string) {
	work := ts.Getenv("WORK")
	if args[0] == "start" {
		srv, err := wandbtest.Start(nil)
		ts.Check(err)
		ts.Defer(func() { wandbServers.Delete(work); srv.Close() })
		wandbServers.Store(work, srv)
		for _, kv := range append(srv.Environ(), "WANDB_ENTITY=team") {
			k, v, _ := strings.Cut(kv, "=")
			ts.Setenv(k, v)
		}
		return
	}
	v, ok := wandbServers.Load(work)
	if !ok {
		ts.Fatalf("there is no server yet: wandb start")
	}
	srv := v.(*wandbtest.Server)
	switch args[0] {
	case "down":
		srv.Down()
	case "up":
		ts.Check(srv.Up())
	case "has":
		if got := wandbHas(srv, args[1]); slices.Equal(got, args[2:]) == neg {
			ts.Fatalf("W&B has %q of %s, want %q", got, args[1], args[2:])
		}
	case "stores":
		_, err := srv.Log(wandbtest.Version{Name: args[1], Files: map[string][]byte{args[2]: []byte(args[3])}})
		ts.Check(err)
	case "spoils":
		srv.Fail("GET", wandbtest.Fault{Corrupt: true, Skip: 1}) // the manifest comes first
	case "breaks":
		srv.Fail("GET", wandbtest.Fault{Status: http.StatusForbidden, Skip: 1, Times: -1})
	case "serves":
		web := httptest.NewServer(http.FileServer(http.Dir(work)))
		ts.Defer(web.Close)
		ts.Setenv("WEB", web.URL)
	case "refers":
		fi, err := os.Stat(filepath.Join(work, filepath.Base(args[3])))
		ts.Check(err)
		_, err = srv.Log(wandbtest.Version{Name: args[1], Refs: []wandbtest.Ref{{Name: args[2], URI: args[3], Size: fi.Size(), Extra: map[string]any{"etag": "of f"}}}})
		ts.Check(err)
	case "checked":
		ts.Check(wandbChecked(srv, args[1], args[2]))
	case "run":
		_, err := srv.Exec(`mutation($run: String!) { upsertBucket(input: {entityName: "team", modelName: "nemotron", name: $run}) { inserted } }`, map[string]any{"run": args[1]})
		ts.Check(err)
	case "loggedby":
		for _, v := range srv.Versions("team", "nemotron", args[1]) {
			if fmt.Sprintf("v%d", v.Index) == args[2] && (v.LoggedBy == args[3]) == neg {
				ts.Fatalf("%s:%s was logged by %q, want %q", args[1], args[2], v.LoggedBy, args[3])
			}
		}
	case "usedby":
		for _, v := range srv.Versions("team", "nemotron", args[1]) {
			if fmt.Sprintf("v%d", v.Index) == args[2] && slices.Contains(v.UsedBy, args[3]) == neg {
				ts.Fatalf("%s:%s was used by %q, asked for %q", args[1], args[2], v.UsedBy, args[3])
			}
		}
	case "secret":
		ts.Check(findSecret(work, srv.Key))
	default:
		ts.Fatalf("wandb %s?", args[0])
	}
}

// wandbChecked logs references to the files of a directory, with their digests.
func wandbChecked(srv *wandbtest.Server, name, dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	v := wandbtest.Version{Name: name}
	for _, e := range list {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		sum := md5.Sum(b)
		v.Refs = append(v.Refs, wandbtest.Ref{Name: e.Name(), URI: "file://" + filepath.Join(dir, e.Name()), Size: int64(len(b)), Digest: base64.StdEncoding.EncodeToString(sum[:])})
	}
	_, err = srv.Log(v)
	return err
}

// wandbHas are the committed versions of an artifact, with their aliases.
func wandbHas(srv *wandbtest.Server, name string) []string {
	var out []string
	for _, v := range srv.Versions("team", "nemotron", name) {
		if v.State != "COMMITTED" {
			continue
		}
		slices.Sort(v.Aliases)
		out = append(out, strings.TrimSpace(fmt.Sprintf("v%d %s", v.Index, strings.Join(v.Aliases, " "))))
	}
	slices.Sort(out)
	return out
}

// findSecret fails if a file below dir holds a secret.
func findSecret(dir, secret string) error {
	return filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil // gone, or none of ours
		}
		b, err := os.ReadFile(p)
		if err == nil && strings.Contains(string(b), secret) {
			return fmt.Errorf("%s holds the key", p)
		}
		return nil
	})
}
