//go:build linux

package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A line is a command of a session in the README, and what is printed.
type line struct{ command, output string }

// chapter returns the sessions of a chapter of the README.
func chapter(t *testing.T, title string) []line {
	t.Helper()
	_, text, ok := strings.Cut(readFile(t, "../../README.md"), "\n## "+title+"\n")
	if !ok {
		t.Fatalf("README has no chapter %q", title)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	var steps []line
	for text := range strings.Lines(text) {
		text, ok := strings.CutPrefix(text, "    ")
		if !ok {
			continue
		}
		if command, ok := strings.CutPrefix(text, "$ "); ok {
			steps = append(steps, line{command: strings.TrimSpace(command)})
		} else {
			steps[len(steps)-1].output += text
		}
	}
	return steps
}

// The README's session in a job is run as it stands there, but for where things lie. A
// file that it shows and that is not there yet is made so.
func TestReadmeInAJob(t *testing.T) {
	py := python(t)
	s := newSite(t, siteOptions{})
	data := s.data("out/splits", map[string]string{"train/00.txt": "one two three\n", "train/01.txt": "four five six\n"})
	s.artifactfs("log", "nano3-sft-data", data, "--type", "SFTDataArtifact", "--set", "pack_size=4096")
	s.data("out/more", map[string]string{"train/00.txt": "seven\n"})
	here := strings.NewReplacer("/mnt/artifacts", s.Mnt, "/lustre/store", s.Root, "/lustre/out", s.Data+"/out")
	there := strings.NewReplacer(s.Mnt, "/mnt/artifacts", s.Root, "/lustre/store", s.Data+"/out", "/lustre/out")
	steps := chapter(t, "In a job")
	if len(steps) < 10 {
		t.Errorf("%d steps", len(steps))
	}
	for _, st := range steps {
		if name, shown := strings.CutPrefix(st.command, "cat "); shown && !strings.HasPrefix(name, "/") {
			if _, err := os.Stat(filepath.Join(s.Base, name)); err != nil {
				writeFile(t, filepath.Join(s.Base, name), here.Replace(st.output))
				continue
			}
		}
		cmd := s.command("bash", "-euo", "pipefail", "-c", here.Replace(st.command))
		cmd.Env = append(cmd.Env, "SLURM_JOB_ID=4242", "SLURM_CLUSTER_NAME=eos", "PATH="+filepath.Dir(binary)+":"+filepath.Dir(py)+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if got := there.Replace(string(out)); err != nil || got != st.output {
			t.Errorf("$ %s\n%s(%v); README has\n%s", st.command, got, err, st.output)
		}
	}
}
