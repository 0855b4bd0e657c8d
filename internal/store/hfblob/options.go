package hfblob

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Options are what the driver can be told. The zero value is the public Hub, as nobody.
type Options struct {
	Endpoint string // "": https://huggingface.co
	Token    string // "": as nobody
	CacheDir string // of the Hub's local cache; "": none is looked at
	Offline  bool   // nothing is asked of the Hub

	Transport http.RoundTripper // nil: a copy of http.DefaultTransport
	Timeout   time.Duration     // of an answer to begin, or to go on; 0: 20 s
	Wait      time.Duration     // the longest that a call is tried again where the context has no deadline; 0: a minute
}

const endpoint = "https://huggingface.co"

// FromEnv returns the options that huggingface_hub takes from the environment:
// HF_ENDPOINT, HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH, HF_HUB_DISABLE_IMPLICIT_TOKEN,
// HF_HOME, XDG_CACHE_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE. It reads the token's file.
func FromEnv(getenv func(string) string) (*Options, error) {
	home := getenv("HF_HOME")
	if home == "" {
		cache := getenv("XDG_CACHE_HOME")
		if cache == "" && getenv("HOME") != "" {
			cache = filepath.Join(getenv("HOME"), ".cache")
		}
		if cache != "" {
			home = filepath.Join(cache, "huggingface")
		}
	}
	below := func(name, sub string) string {
		if dir := getenv(name); dir != "" || home == "" {
			return dir
		}
		return filepath.Join(home, sub)
	}
	o := &Options{Endpoint: getenv("HF_ENDPOINT"), CacheDir: below("HF_HUB_CACHE", "hub")}
	o.Offline = isTrue(getenv("HF_HUB_OFFLINE")) || isTrue(getenv("TRANSFORMERS_OFFLINE"))
	if isTrue(getenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
		return o, nil
	}
	for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} {
		if o.Token = strings.TrimSpace(getenv(name)); o.Token != "" {
			return o, nil
		}
	}
	file := below("HF_TOKEN_PATH", "token")
	if file == "" {
		return o, nil
	}
	b, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("the Hub's token (HF_TOKEN, HF_TOKEN_PATH): %w", err)
	}
	o.Token = strings.TrimSpace(string(b))
	return o, nil
}

func isTrue(s string) bool {
	switch strings.ToUpper(s) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}

// set takes an option from a URL's parameters.
func (o *Options) set(params url.Values) error {
	for k, v := range params {
		switch k {
		case "endpoint":
			o.Endpoint = v[0]
		default:
			return fmt.Errorf("a repository's URI has the parameter endpoint, not %q", k)
		}
	}
	return nil
}
