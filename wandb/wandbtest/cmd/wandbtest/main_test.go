package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// The command serves what it prints, takes orders, and ends when it is told to.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"--key", "secret", "--features", "old"}, in) }()
	lines := bufio.NewReader(out)
	read := func(prefix string) string {
		line, err := lines.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, prefix) {
			t.Fatalf("printed %q, want %s… (%v)", line, prefix, err)
		}
		return strings.TrimSpace(strings.TrimPrefix(line, prefix))
	}
	base := read("export WANDB_BASE_URL=")
	if key := read("export WANDB_API_KEY="); key != "secret" {
		t.Errorf("key is %s", key)
	}
	post := func(path, body string) (int, string) {
		req, _ := http.NewRequest("POST", base+path, strings.NewReader(body))
		req.SetBasicAuth("api", "secret")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	if status, body := post("/graphql", `{"query": "{viewer{entity}}"}`); status != 200 || !strings.Contains(body, "team") {
		t.Errorf("viewer: %d %s", status, body)
	}
	if status, body := post("/_wandbtest/fail", `{"op": "viewer", "status": 503}`); status != 200 {
		t.Errorf("order: %d %s", status, body)
	}
	if status, _ := post("/graphql", `{"query": "{viewer{entity}}"}`); status != 503 {
		t.Errorf("status %d, want the 503 that was ordered", status)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAddress(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	for _, addr := range []string{"0.0.0.0:0", ":0", "example.com:80", "nothing"} {
		if err := run(ended, []string{"--addr", addr}, io.Discard); err == nil {
			t.Errorf("served on %s", addr)
		}
	}
}
