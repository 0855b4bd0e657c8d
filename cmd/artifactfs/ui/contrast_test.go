package ui

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestContrast: in both schemes texts have the contrast that WCAG AA asks for, 4.5 to 1,
// and what must be seen but not read 3 to 1.
func TestContrast(t *testing.T) {
	b, err := os.ReadFile("web/src/app.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, ok := strings.Cut(string(b), "prefers-color-scheme: dark")
	if !ok {
		t.Fatal("there is no dark scheme")
	}
	for scheme, css := range map[string]string{"light": light, "dark": dark} {
		colours := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`).FindAllStringSubmatch(css, -1) {
			colours[m[1]] = luminance(t, m[2])
		}
		for _, c := range []struct {
			fore, back string
			want       float64
		}{
			{"text", "page", 4.5}, {"text", "card", 4.5}, {"text", "soft", 4.5}, {"text", "note", 4.5}, {"text", "data", 4.5},
			{"quiet", "page", 4.5}, {"quiet", "card", 4.5}, {"quiet", "soft", 4.5}, {"accent", "page", 4.5}, {"accent", "card", 4.5},
			{"on-accent", "accent", 4.5}, {"bad", "page", 4.5}, {"bad", "card", 4.5}, {"bad", "bad-soft", 4.5}, {"good", "card", 4.5},
			{"focus", "page", 3}, {"focus", "card", 3}, {"focus", "soft", 3}, {"edge", "card", 3}, {"edge", "page", 3},
		} {
			a, okA := colours[c.fore]
			b, okB := colours[c.back]
			if got := (max(a, b) + 0.05) / (min(a, b) + 0.05); !okA || !okB || got < c.want {
				t.Errorf("%s: %s on %s has %.2f, want %.1f", scheme, c.fore, c.back, got, c.want)
			}
		}
	}
}

// luminance is a colour's, as WCAG defines it.
func luminance(t *testing.T, hex string) float64 {
	var sum float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		v := float64(n) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}
