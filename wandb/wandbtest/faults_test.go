package wandbtest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

const viewer = `query Who { viewer { id } }`

func TestFaults(t *testing.T) {
	c := start(t, nil)
	for _, test := range []struct {
		what   string
		op     string
		fault  wandbtest.Fault
		status []int // of the requests that follow; 0 is a broken connection
	}{
		{"by field", "viewer", wandbtest.Fault{Status: 503}, []int{503, 200}},
		{"by document", "who", wandbtest.Fault{Status: 500, Times: 2}, []int{500, 500, 200}},
		{"the third", "viewer", wandbtest.Fault{Status: 500, Skip: 2}, []int{200, 200, 500, 200}},
		{"all", "*", wandbtest.Fault{Status: 500, Times: -1}, []int{500, 500, 500}},
		{"another", "project", wandbtest.Fault{Status: 500}, []int{200}},
		{"broken", "viewer", wandbtest.Fault{Drop: true, Times: 2}, []int{0, 0, 200}}, // http sends again what broke at once
		{"cut", "viewer", wandbtest.Fault{Cut: 1}, []int{200}},
	} {
		t.Run(test.what, func(t *testing.T) {
			c.srv.Fail(test.op, test.fault)
			defer c.srv.Heal()
			for i, want := range test.status {
				if got := c.status(t); got != want {
					t.Errorf("request %d: status %d, want %d", i, got, want)
				}
			}
		})
	}
}

// status asks who it is, on a connection of its own.
func (c client) status(t *testing.T) int {
	t.Helper()
	req, _ := http.NewRequest("POST", c.srv.URL+"/graphql", strings.NewReader(`{"query": "`+viewer+`"}`))
	req.SetBasicAuth("api", c.srv.Key)
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

func TestFaultAnswer(t *testing.T) {
	c := start(t, nil)
	c.srv.SetHeader("RateLimit-Remaining", "7")
	c.srv.Fail("viewer", wandbtest.Fault{Status: 429, Header: map[string]string{"Retry-After": "3"}, Body: `{"error": "slow down"}`})
	req, _ := http.NewRequest("POST", c.srv.URL+"/graphql", strings.NewReader(`{"query": "{viewer{id}}"}`))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 429 || res.Header.Get("Retry-After") != "3" || res.Header.Get("RateLimit-Remaining") != "7" {
		t.Errorf("answer is %s %v", res.Status, res.Header)
	}
}

func TestLimit(t *testing.T) {
	c := start(t, nil)
	c.srv.Limit("viewer", 2, time.Hour)
	ask := func() *http.Response {
		t.Helper()
		req, _ := http.NewRequest("POST", c.srv.URL+"/graphql", strings.NewReader(`{"query": "{viewer{id}}"}`))
		req.SetBasicAuth("api", c.srv.Key)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res
	}
	for i, want := range []struct {
		status           int
		remaining, retry string // of the hour some seconds may have gone
	}{{200, "1", ""}, {200, "0", ""}, {429, "0", "3"}, {429, "0", "3"}} {
		res := ask()
		if res.StatusCode != want.status || res.Header.Get("RateLimit-Remaining") != want.remaining || !strings.HasPrefix(res.Header.Get("Retry-After"), want.retry) {
			t.Errorf("request %d: %s, %v", i, res.Status, res.Header)
		}
	}
	c.srv.Limit("viewer", 1, 20*time.Millisecond)
	ask()
	for ask().StatusCode != 200 { // until the next stretch of time
	}
	c.srv.Limit("viewer", 0, 0)
	if res := ask(); res.Header.Get("RateLimit-Remaining") != "" || ask().StatusCode != 200 {
		t.Errorf("a limit that was lifted: %v", res.Header)
	}
}

// A late fault hits when the work is done: the client hears of failure, and a second try finds it done.
func TestLateFault(t *testing.T) {
	c := start(t, nil)
	files := map[string]string{"a": "1"}
	id := at(c.must(createArtifact, object{"i": c.input("data", manifestDigest(files))}), "createArtifact", "artifact", "id").(string)
	c.upload(id, files)
	c.srv.Fail("commitArtifact", wandbtest.Fault{Status: 500, Late: true})
	if _, _, status := c.do(commitArtifact, object{"id": id}); status != 500 {
		t.Fatalf("status %d, want 500", status)
	}
	if c.resolve("data:v0") == nil {
		t.Error("the commit did not take effect")
	}
	if v := at(c.must(commitArtifact, object{"id": id}), "commitArtifact", "artifact", "versionIndex"); v != 0. {
		t.Errorf("the second commit answers version %v, want 0", v)
	}
	if n := c.srv.Requests("commitArtifact"); n != 2 {
		t.Errorf("%d commits were counted, want 2", n)
	}
}

func TestBlobFaults(t *testing.T) {
	c := oneFile(t)
	link := c.fileURL()
	c.srv.Fail("GET", wandbtest.Fault{Corrupt: true})
	c.srv.Fail("GET", wandbtest.Fault{Cut: 4})
	c.srv.Fail("GET", wandbtest.Fault{Status: 403})
	if status, body := c.send("GET", link, nil, ""); status != 200 || len(body) != 10 || body == "0123456789" {
		t.Errorf("corrupt: %d %q", status, body)
	}
	if status, body := c.send("GET", link, nil, ""); status != 0 || !strings.Contains(body, "EOF") {
		t.Errorf("cut: %d %q", status, body)
	}
	if status, _ := c.send("GET", link, nil, ""); status != 403 {
		t.Errorf("status %d, want 403", status)
	}
	if status, body := c.send("GET", link, nil, ""); status != 200 || body != "0123456789" {
		t.Errorf("healed: %d %q", status, body)
	}
}

// What hangs is let go by its client, or by the server's going away.
func TestHangAndDown(t *testing.T) {
	c := start(t, nil)
	c.srv.Fail("viewer", wandbtest.Fault{Hang: true, Times: 2})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "POST", c.srv.URL+"/graphql", strings.NewReader(`{"query": "{viewer{id}}"}`))
	if _, err := http.DefaultClient.Do(req); err == nil || ctx.Err() == nil {
		t.Errorf("a hanging request ended with %v", err)
	}
	hung := make(chan int)
	go func() { hung <- c.status(t) }()
	for c.srv.Requests("viewer") < 2 {
		time.Sleep(time.Millisecond)
	}
	c.srv.Down()
	if got := <-hung; got != 0 {
		t.Errorf("a hanging request ended with status %d as the server went down", got)
	}
	if got := c.status(t); got != 0 {
		t.Errorf("status %d from a server that is down", got)
	}
	if err := c.srv.Up(); err != nil {
		t.Fatal(err)
	}
	if got := c.status(t); got != 200 {
		t.Errorf("status %d from a server that is up again", got)
	}
}
