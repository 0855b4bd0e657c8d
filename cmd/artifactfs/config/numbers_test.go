package config

import "testing"

// Which backends are on, by the numbers of upstream's conformance cases.
func TestConformanceBackends(t *testing.T) {
	const root = "[artifacts.manifest]\nroot = \"/a\"\n"
	for _, c := range []struct {
		number, text, arg string
		root              string
		wandb             bool
	}{
		{"57", "[artifacts]\nwandb = true\n" + root, "artifacts.wandb=false", "/a", false},
		{"58", "[artifacts]\nwandb = true\n" + root, "artifacts.manifest.root=null", "", true},
		{"60", root + "[artifacts]\nwandb = true\n", "", "/a", true},
		{"64", "[artifacts]\nwandb = {project = \"p\"}\n" + root, "", "/a", true},
		{"64", "[artifacts]\nwandb = {}\n" + root, "", "/a", false},
	} {
		var args []string
		if c.arg != "" {
			args = append(args, c.arg)
		}
		got, err := load(t, c.text, args...)
		if err != nil || got.Root != c.root || got.WandB != c.wandb {
			t.Errorf("case %s: %q %s: %+v, %v; want root %q, W&B %t", c.number, c.text, c.arg, got, err, c.root, c.wandb)
		}
	}
}
