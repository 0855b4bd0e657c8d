package wandb

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
)

const (
	// DefaultBaseURL is W&B's own cloud.
	DefaultBaseURL = "https://api.wandb.ai"
	// DefaultProject is upstream's.
	DefaultProject = "nemotron"
)

// Config is where the server is, who asks, and which project is meant.
type Config struct {
	BaseURL string // with a path if the server has one; "" is DefaultBaseURL
	Key     Key
	KeyFrom string // where the key was found, for messages
	Entity  string // "" is the one that the key's user has by default
	Project string // "" is DefaultProject

	Headers  map[string]string // sent with every request
	Username string            // whom a service account acts for
	Email    string

	NemoRunDir string // what /nemo_run of a job's container is here; "" if it is nothing
	CacheDir   string // W&B's own cache of files; "" for none
}

// Key is an API key. It prints as nothing that could be used.
type Key string

func (k Key) String() string { return "(hidden)" }

// GoString hides the key from %#v.
func (k Key) GoString() string { return "(hidden)" }

// LogValue hides the key from logs.
func (k Key) LogValue() slog.Value { return slog.StringValue("(hidden)") }

// MarshalText hides the key from JSON.
func (k Key) MarshalText() ([]byte, error) { return []byte("(hidden)"), nil }

var (
	keyForm = regexp.MustCompile(`^[\w-]{40,}$`)
	jwtForm = regexp.MustCompile(`^[\w-]+\.[\w-]+\.[\w-]+$`)
)

// check reports in words what is wrong with a key, never the key itself.
func (k Key) check() error {
	switch {
	case k == "":
		return errors.New("there is no API key; set WANDB_API_KEY, or log in with `wandb login`")
	case strings.TrimSpace(string(k)) != string(k):
		return errors.New("the API key has blanks around it")
	case !keyForm.MatchString(string(k)) && !jwtForm.MatchString(string(k)):
		return fmt.Errorf("the API key has %d characters in another form than W&B's keys, which have 40 or more letters, digits, - and _", len(k))
	}
	return nil
}

// complete returns c with its defaults, or what is wrong with it.
func (c Config) complete() (Config, *url.URL, error) {
	if c.BaseURL == "" {
		c.BaseURL = DefaultBaseURL
	}
	if c.Project == "" {
		c.Project = DefaultProject
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	base, err := url.Parse(c.BaseURL)
	switch {
	case err != nil:
		err = errors.New("it is no URL")
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		err = errors.New("it does not start with https:// and a host")
	case base.User != nil:
		return c, nil, fmt.Errorf("the W&B server's address holds a user or a password; the key goes into WANDB_API_KEY: %w", fs.ErrInvalid)
	case base.RawQuery != "" || base.Fragment != "":
		err = errors.New("it has a query or a fragment")
	}
	if err != nil {
		return c, nil, fmt.Errorf("the W&B server's address %q (WANDB_BASE_URL): %w: %w", c.BaseURL, err, fs.ErrInvalid)
	}
	if why := badProject(c.Project); why != "" {
		return c, nil, fmt.Errorf("W&B project %q %s: %w", c.Project, why, fs.ErrInvalid)
	}
	if err := c.Key.check(); err != nil {
		if c.KeyFrom != "" {
			err = fmt.Errorf("%w (it is from %s)", err, c.KeyFrom)
		}
		return c, nil, &Error{Kind: Unauthorized, Server: c.BaseURL, Text: err.Error()}
	}
	return c, base, nil
}

// badProject says in words why a name cannot be a project's.
func badProject(name string) string {
	switch {
	case len(name) > 128:
		return "is longer than 128 characters"
	case strings.ContainsAny(name, "/\\#?%:\r\n"):
		return `holds one of / \ # ? % : or a newline`
	}
	return ""
}
