package config

import (
	"strings"
	"testing"
)

func TestMetrics(t *testing.T) {
	for text, want := range map[string]string{ // want: the address, or words of the error
		`"127.0.0.1:9477"`: "127.0.0.1:9477", `"localhost:9477"`: "127.0.0.1:9477", `"[::1]:9477"`: "[::1]:9477", `"127.8.9.1:1"`: "127.8.9.1:1",
		`"0.0.0.0:9477"`: "0.0.0.0:9477", `"10.0.0.7:9477"`: "10.0.0.7:9477", `"[::]:9477"`: "[::]:9477",
		`":9477"`: "every network", `":http"`: "every network", `9477`: "not an address", `"9477"`: "not an address", `"127.0.0.1:0"`: "not an address",
		`"127.0.0.1"`: "not an address", `"node7:9477"`: "not an address", `"*:9477"`: "not an address", `true`: "not an address", `"127.0.0.1:99999"`: "not an address",
	} {
		got, err := load(t, "[artifactfs]\nmetrics = "+text+"\n")
		if strings.Contains(want, " ") {
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "artifactfs.metrics") {
				t.Errorf("%s: %v, want %q", text, err, want)
			}
			continue
		}
		if err != nil || got.Metrics != want {
			t.Errorf("%s: %+v %v, want %s", text, got, err, want)
			continue
		}
		local := strings.HasPrefix(want, "127.") || strings.HasPrefix(want, "[::1]")
		if warned := strings.Contains(strings.Join(got.Warnings, "\n"), "not of this machine alone"); warned == local {
			t.Errorf("%s: warnings %q", text, got.Warnings)
		}
	}
}
