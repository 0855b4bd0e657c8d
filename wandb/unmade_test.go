package wandb

import "testing"

func TestAlike(t *testing.T) {
	for typed, near := range map[string]string{"nemotorn": "nemotron", "nemotro": "nemotron", "test": "tests"} {
		for _, far := range []string{"x", "vision"} {
			if alike(near, typed) <= alike(far, typed) {
				t.Errorf("%s is less like %s (%d) than %s (%d)", near, typed, alike(near, typed), far, alike(far, typed))
			}
		}
	}
}
