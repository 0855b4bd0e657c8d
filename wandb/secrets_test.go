package wandb_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// Whatever fails, neither an error nor the log holds the key or a signature, not even
// when a server says them.
func TestNoSecrets(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	log(t, srv, wandbtest.Version{Name: "m", Run: "r", Files: map[string][]byte{"metadata.json": []byte("{}"), "f": random(1000)}})
	says := `{"errors": [{"message": "key ` + srv.Key + ` and https://h/p?signature=SECRET&X-Amz-Signature=SECRET"}]}`
	var said written
	for _, op := range []string{"Viewer", "ListProjects", "ListCollections", "ListVersions", "Resolve", "ManifestURL", "RunInputs", "FileURLs", "GET", "artifactsV2"} {
		for name, fault := range map[string]wandbtest.Fault{
			"400": {Status: 400, Body: says}, "401": {Status: 401, Body: says}, "403": {Status: 403, Body: says}, "404": {Status: 404, Body: says},
			"500": {Status: 500, Body: says}, "200": {Status: 200, Body: says}, "drop": {Drop: true}, "hang": {Hang: true}, "corrupt": {Corrupt: true},
		} {
			fault.Times = -1
			srv.Heal()
			srv.Fail(op, fault)
			if op == "artifactsV2" {
				srv.Fail("FileURLs", wandbtest.Fault{Times: -1, Status: 200, Body: `{"data": {"project": null}}`})
			}
			n := srv.Requests(op)
			client, err := wandb.NewClient(wandb.Config{BaseURL: srv.URL, Key: wandb.Key(srv.Key), Project: "nemotron"})
			if err != nil {
				t.Fatal(err)
			}
			if op != "Viewer" {
				client.SetEntity("team")
			}
			s := wandb.NewSource(client, &wandb.SourceOptions{TTL: time.Nanosecond, Log: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			for patience := 150 * time.Millisecond; ; patience *= 5 { // a busy machine may take longer to come so far
				useAll(s, &said, patience)
				if srv.Requests(op) != n {
					break
				}
				if patience > 10*time.Second {
					t.Fatalf("%s was not asked, for fault %s", op, name)
				}
			}
		}
	}
	for _, secret := range []string{srv.Key, "SECRET", "signature=", "ignature%3D"} {
		if i := strings.Index(said.String(), secret); i >= 0 {
			t.Errorf("%q is in: %s", secret, said.String()[max(i-300, 0):i+50])
		}
	}
	if strings.Count(said.String(), "W&B at "+srv.URL) < 20 {
		t.Errorf("few errors name the server: %s", said.String())
	}
}

// written is what was said, by whomever.
type written struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *written) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(b)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// useAll asks a Source for everything, and writes down what it says.
func useAll(s *wandb.Source, said *written, patience time.Duration) {
	within := func(fn func(context.Context) error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		fmt.Fprintln(said, fn(ctx))
	}
	within(func(ctx context.Context) error { _, err := s.Names(ctx, ""); return err })
	within(func(ctx context.Context) error { _, err := s.Names(ctx, "team"); return err })
	within(func(ctx context.Context) error { _, err := s.Versions(ctx, "m"); return err })
	within(func(ctx context.Context) error { _, err := s.Manifest(ctx, "m", 0); return err })
	within(func(ctx context.Context) error {
		f, err := s.Files(ctx, "m", 0)
		if err != nil {
			return err
		}
		file, err := f.Stat(ctx, "f")
		if err == nil {
			_, err = read(ctx, file.Object, 0, 1000)
		}
		return err
	})
	_, cause := s.Degraded()
	fmt.Fprintln(said, cause)
}
