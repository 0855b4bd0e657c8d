package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// reach is which addresses a request may go to.
type reach int

const (
	anywhere reach = iota // whoever runs this has named the place, or a proxy decides
	usual                 // not where a machine's own services answer, as a cloud's that gives out credentials
	outside               // what a stranger's server redirects to: nothing of this machine's or its network's
	reaches
)

// errRefused is that a request is not sent.
var errRefused = errors.New("not asked")

var shared = netip.MustParsePrefix("100.64.0.0/10")

func (r reach) admits(ip netip.Addr) bool {
	ip = ip.Unmap()
	if r == anywhere {
		return true
	}
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || ip == netip.MustParseAddr("fd00:ec2::254") {
		return false
	}
	return r == usual || !ip.IsLoopback() && !ip.IsPrivate() && !shared.Contains(ip)
}

// transport returns what sends requests of this reach. A name is looked at by the
// address that is connected to, whatever it was before.
func (r reach) transport() *http.Transport {
	d := &net.Dialer{Timeout: 10 * time.Second}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 64 // as many readers at once are kept their connections
	t.IdleConnTimeout = time.Minute
	t.DisableCompression = true // a range counts the bytes as they are stored
	t.Proxy = nil
	if r == anywhere {
		t.Proxy = http.ProxyFromEnvironment
	} else {
		d.Control = func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil || !r.admits(at.Addr()) {
				return fmt.Errorf("%w: its address is %s: %w", errRefused, at.Addr(), syscall.EPERM)
			}
			return nil
		}
	}
	t.DialContext = d.DialContext
	return t
}

// maxHops is how many redirects are followed.
const maxHops = 10

// place is where a request goes.
type place struct {
	u       *url.URL
	strange bool // another server than the one that was named has sent us there
}

// follow sends one request, and goes where it is redirected to. It returns where the
// answer came from.
func (c *Client) follow(ctx context.Context, method string, p place, h http.Header) (*http.Response, place, error) {
	at := p
	for range maxHops {
		named, err := c.opt.Allowed(at.u)
		r := reachOf(named, at.strange)
		if err == nil {
			err = literal(at.u, r)
		}
		if err != nil {
			if at != p {
				err = fmt.Errorf("%s redirects to %s://%s: %w", Show(p.u), at.u.Scheme, at.u.Host, err)
			}
			return nil, place{}, fmt.Errorf("%w: %w", errRefused, err)
		}
		res, err := c.send(ctx, method, at.u, h, r)
		if err != nil {
			return nil, place{}, refused(p.u, at.u, err)
		}
		next, err := redirected(at.u, res)
		if next == nil || err != nil {
			return res, at, err
		}
		discard(res)
		at = place{next, at.strange || host(next) != host(at.u)}
	}
	return nil, place{}, fmt.Errorf("%s: the server redirects in circles", Show(p.u))
}

func reachOf(named, strange bool) reach {
	switch {
	case named:
		return anywhere
	case strange:
		return outside
	}
	return usual
}

// literal refuses an address that is written as such, which a proxy would be asked for.
func literal(u *url.URL, r reach) error {
	ip, err := netip.ParseAddr(u.Hostname())
	if err == nil && !r.admits(ip) || r == outside && Loopback(u) {
		return fmt.Errorf("an address of this machine's or its network's own, which data_roots does not name: %w", syscall.EPERM)
	}
	return nil
}

// refused keeps of a dialler's error what says why, and not that it is the network's.
func refused(u, at *url.URL, err error) error {
	if !errors.Is(err, errRefused) {
		return err
	}
	return fmt.Errorf("%w: %s leads to %s, an address of this machine's or its network's own, which data_roots does not name: %w", errRefused, Show(u), at.Host, syscall.EPERM)
}

// send sends one request. It brings nothing but what it asks for: requests are not made
// from one another, and there is no jar.
func (c *Client) send(ctx context.Context, method string, u *url.URL, h http.Header, r reach) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	for k, v := range h {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", "artifactfs")
	req.Header.Set("Accept-Encoding", "identity")
	if proxy, err := http.ProxyFromEnvironment(req); err == nil && proxy != nil {
		r = anywhere
	}
	return c.by[r].RoundTrip(req)
}

// redirected returns where an answer sends the client; nil if nowhere.
func redirected(at *url.URL, res *http.Response) (*url.URL, error) {
	switch res.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	to := res.Header.Get("Location")
	next, err := at.Parse(to)
	if err == nil && to != "" {
		next, err = Parse(next.String())
	}
	if err != nil || to == "" {
		res.Body.Close()
		return nil, fmt.Errorf("%w: %s redirects to what is no address: %w", errRefused, Show(at), syscall.EIO)
	}
	return next, nil
}
