package wandb

import "testing"

func TestURIs(t *testing.T) {
	// As Path.as_uri has it, before it is hashed.
	if got, want := quote("/a b/é~_-.%", unreserved), "/a%20b/%C3%A9~_-.%25"; got != want {
		t.Errorf("quoted: %s, want %s", got, want)
	}
	if got, want := FileURI("/a b/é/x%20y#z?"), "file:///a b/é/x%2520y%23z%3F"; got != want {
		t.Errorf("reference: %s, want %s", got, want)
	}
}
