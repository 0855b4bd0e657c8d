package web

import (
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Is reports whether s begins with a scheme that is read here.
func Is(s string) bool {
	scheme, _, ok := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	return ok && (scheme == "https" || scheme == "http")
}

// Parse reads a URL. One with a user or password is EPERM: no record brings credentials.
// What servers may take for another path than it looks like is fs.ErrInvalid. The
// error holds no query, which may be a signature.
func Parse(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || !Is(s) || u.Hostname() == "" || u.Opaque != "" {
		before, _, _ := strings.Cut(s, "?")
		return nil, fmt.Errorf("%q is no address of a file on the web: %w", before, fs.ErrInvalid)
	}
	u.Host, u.Fragment, u.RawFragment = strings.ToLower(u.Host), "", ""
	if u.User != nil {
		return nil, fmt.Errorf("%s: an address that holds a user or a password is not asked: %w", Show(u), syscall.EPERM)
	}
	parts := strings.Split(u.Path, "/")
	if slices.Contains(parts, "..") || slices.Contains(parts, ".") || strings.ContainsRune(u.Path, '\\') || strings.ContainsRune(u.Path, 0) {
		return nil, fmt.Errorf("%s: the path holds . or .., or what some servers take for it: %w", Show(u), fs.ErrInvalid)
	}
	return u, nil
}

// Show returns a URL for people: without the query, which may be a signature.
func Show(u *url.URL) string { return u.Scheme + "://" + u.Host + u.EscapedPath() }

// Below reports whether u is root or lies below it.
func Below(u, root *url.URL) bool {
	dir := strings.TrimSuffix(root.Path, "/")
	return u.Scheme == root.Scheme && host(u) == host(root) && (u.Path == dir || strings.HasPrefix(u.Path, dir+"/"))
}

// Loopback reports whether a URL names this machine itself.
func Loopback(u *url.URL) bool {
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback() || u.Hostname() == "localhost"
}

// host is where a URL is asked, with its port.
func host(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Hostname() + ":" + port
}

// name is what the file of a URL is called.
func name(u *url.URL) (string, error) {
	if u.Path == "" || strings.HasSuffix(u.Path, "/") {
		return "", fmt.Errorf("%s: web servers list no directories; record the address of a file: %w", Show(u), syscall.EOPNOTSUPP)
	}
	return path.Base(u.Path), nil
}
