package wandb

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
)

// A machine's own services are asked by no reference: not by a redirect, not by a name that leads
// there, and not through a proxy, which looks names up itself.
func TestNotOurs(t *testing.T) {
	web := httptest.NewServer(http.RedirectHandler("http://[::ffff:169.254.169.254]/latest", http.StatusFound))
	defer web.Close()
	if _, err := newReferenceClient(&anywhere{}).Get(web.URL); !errors.Is(err, syscall.EPERM) {
		t.Errorf("a redirect there is followed: %v", err)
	}
	for address, want := range map[string]error{"169.254.169.254:80": syscall.EPERM, "[fd00:ec2::254]:80": syscall.EPERM, "[fe80::1%eth0]:80": syscall.EPERM, "0.0.0.0:80": syscall.EPERM, "10.0.0.1:80": nil, "[::1]:80": nil} {
		if err := dialOutside("tcp", address, nil); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("dial %s: %v, want %v", address, err, want)
		}
	}
	proxied := &outsideTransport{&anywhere{}, roundTrip(func(r *http.Request) (*http.Response, error) {
		t.Errorf("the proxy is asked for %s", r.URL)
		return nil, errors.New("asked")
	})}
	r, err := http.NewRequest(http.MethodGet, "http://169.254.169.254/latest", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proxied.RoundTrip(r); !errors.Is(err, syscall.EPERM) {
		t.Errorf("a proxy is to be asked: %v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
