//go:build linux

package acceptance

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
)

// A line is a command of a session in the README, and what is printed.
type line struct{ command, output string }

// sessions returns the sessions below a heading of the README.
func sessions(t *testing.T, heading string) []line {
	t.Helper()
	_, text, ok := strings.Cut(readFile(t, "../../README.md"), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("README has no heading %q", heading)
	}
	text, _, _ = strings.Cut(text, "\n#")
	var steps []line
	for text := range strings.Lines(text) {
		text, ok := strings.CutPrefix(text, "    ")
		switch command, is := strings.CutPrefix(text, "$ "); {
		case ok && is:
			steps = append(steps, line{command: strings.TrimSpace(command)})
		case ok:
			steps[len(steps)-1].output += text
		}
	}
	if len(steps) < 6 {
		t.Errorf("%s has %d steps", heading, len(steps))
	}
	return steps
}

// follow does what the README shows under a heading, as it stands there, but for where things lie: places are pairs of
// how the README calls them and what they are here. A file that it shows and that is not there yet is made so.
func (s *site) follow(heading string, env []string, places ...string) {
	s.t.Helper()
	back := slices.Clone(places)
	slices.Reverse(back)
	for i := 0; i < len(back); i += 2 { // parameters of a URI are for who opens it, and are not told
		if plain, _, has := strings.Cut(back[i], "?"); has {
			back = append(back, plain, back[i+1])
		}
	}
	here, there := strings.NewReplacer(places...), strings.NewReplacer(back...)
	for _, st := range sessions(s.t, heading) {
		if name, shown := strings.CutPrefix(st.command, "cat "); shown && !strings.HasPrefix(name, "/") {
			if _, err := os.Stat(filepath.Join(s.Base, name)); err != nil {
				writeFile(s.t, filepath.Join(s.Base, name), here.Replace(st.output))
				continue
			}
		}
		cmd := s.command("bash", "-euo", "pipefail", "-c", here.Replace(st.command))
		cmd.Env = append(cmd.Env, env...)
		out, err := cmd.CombinedOutput()
		if got := there.Replace(string(out)); err != nil || got != st.output {
			s.t.Errorf("$ %s\n%s(%v); README has\n%s", st.command, got, err, st.output)
		}
	}
}

func TestReadmeInAJob(t *testing.T) {
	py := python(t)
	s := newSite(t, siteOptions{})
	data := s.data("out/splits", map[string]string{"train/00.txt": "one two three\n", "train/01.txt": "four five six\n"})
	s.artifactfs("log", "nano3-sft-data", data, "--type", "SFTDataArtifact", "--set", "pack_size=4096")
	s.data("out/more", map[string]string{"train/00.txt": "seven\n"})
	job := []string{"SLURM_JOB_ID=4242", "SLURM_CLUSTER_NAME=eos", "PATH=" + filepath.Dir(binary) + ":" + filepath.Dir(py) + ":" + os.Getenv("PATH")}
	s.follow("## In a job", job, "/mnt/artifacts", s.Mnt, "/lustre/store", s.Root, "/lustre", s.Data)
}

// The README's sessions with each kind of store are run against one.
func TestReadmeStores(t *testing.T) {
	eachStore(t, func(t *testing.T, store buckettest.Store) {
		s := newSite(t, siteOptions{Root: store.URI, Quiet: true})
		must(t, os.Remove(s.Base+"/env.toml")) // the README's
		s.data("out/splits", map[string]string{"train/00.txt": "one two three\n"})
		s.data("out/more", map[string]string{"train/00.txt": "seven\n"})
		shown := map[string][2]string{
			"s3":     {"### S3", "s3://bucket/store"},
			"gs":     {"### Google Cloud", "gs://bucket/store"},
			"azblob": {"### Azure", "azblob://bucket/store"},
			"hf":     {"### The Hugging Face Hub", "hf://datasets/org/repo/store"},
		}[store.Name]
		s.follow(shown[0], nil, "/mnt/artifacts", s.Mnt, shown[1], store.URI, "/lustre", s.Data)
	})
}
