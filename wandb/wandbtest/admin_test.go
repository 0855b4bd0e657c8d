package wandbtest_test

import (
	"net/http"
	"strings"
	"testing"

	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// order sends an order, as a client in another process does.
func (c client) order(what, body string) int {
	c.t.Helper()
	res, err := http.Post(c.srv.URL+wandbtest.AdminPath+"/"+what, "application/json", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func TestOrders(t *testing.T) {
	c := start(t, &wandbtest.Options{Admin: true})
	c.log("data", map[string]string{"a": "1"})
	link := c.fileURL()
	if c.order("fail", `{"op": "viewer", "status": 429, "times": 2}`) != 200 || c.status(t) != 429 || c.order("heal", "{}") != 200 || c.status(t) != 200 {
		t.Error("an ordered fault did not come, or did not go")
	}
	if c.order("limit", `{"op": "viewer", "limit": 1, "per": 3600}`) != 200 || c.status(t) != 200 || c.status(t) != 429 || c.order("heal", "{}") != 200 {
		t.Error("an ordered limit is none")
	}
	if status, _ := c.send("GET", link, nil, ""); c.order("expire", "{}") != 200 || status != 200 {
		t.Errorf("before URLs expire: status %d", status)
	}
	if status, _ := c.send("GET", link, nil, ""); status != 403 {
		t.Errorf("after URLs expired: status %d", status)
	}
	if c.order("features", `{"features": "old"}`) != 200 {
		t.Error("features were not taken")
	}
	if _, errs, _ := c.do(`{ serverInfo { features { name } } }`, nil); errs == nil {
		t.Error("an old server has features")
	}
	c.order("reset", `{"features": "modern"}`)
	c.run("r1")
	if c.resolve("data:latest") != nil {
		t.Error("a reset server has versions")
	}
	if _, v := c.log("data", map[string]string{"a": "1"}); v != "v0" || c.srv.Requests("PUT") != 4 {
		t.Errorf("after the reset, %s came of %d uploads; want v0 of 4 in all", v, c.srv.Requests("PUT"))
	}
	if got := c.order("down", `{"for": 1}`); got != 200 {
		t.Errorf("down: status %d", got)
	}
	for was := false; ; { // down for a second, which somebody who asks all the time does not miss
		status := c.status(t)
		was = was || status == 0
		if was && status == 200 {
			break
		}
	}
	for _, bad := range []string{"nothing", "fail"} {
		if got := c.order(bad, map[string]string{"nothing": "{}", "fail": "no JSON"}[bad]); got < 400 {
			t.Errorf("%s: status %d", bad, got)
		}
	}
}

// Only those who ask for it have a server that takes orders.
func TestNoOrders(t *testing.T) {
	c := start(t, nil)
	if got := c.order("heal", "{}"); got == 200 {
		t.Error("an order was taken")
	}
}
