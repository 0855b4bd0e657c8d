//go:build linux

package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A record is what our tests look at in a manifest.json.
type record struct {
	Name     string         `json:"name"`
	Version  int            `json:"version"`
	Type     string         `json:"type"`
	Path     string         `json:"path"`
	Created  string         `json:"created_at"`
	Producer string         `json:"producer"`
	Metadata map[string]any `json:"metadata"`
	Inputs   []string       `json:"inputs"`
	Used     []string       `json:"used_artifacts"`
}

// tag says which writer logged a version, and as its how-manieth.
func (r record) tag() string {
	k := r.Metadata["k"]
	if n, ok := k.(float64); ok {
		k = int(n)
	}
	return fmt.Sprint(r.Metadata["writer"], "/", k)
}

// publish writes a version straight into the root, as another node would, and moves latest to it.
func (s *site) publish(name string, version int, path string) {
	s.t.Helper()
	dir := fmt.Sprintf("%s/%s/v%d", s.Root, name, version)
	must(s.t, os.MkdirAll(filepath.Dir(dir), 0o755))
	must(s.t, os.Mkdir(dir, 0o755))
	r := record{name, version, "Artifact", path, "2026-08-21T09:00:00.250000-07:00", "local", map[string]any{}, []string{}, []string{}}
	text, err := json.MarshalIndent(r, "", "  ")
	must(s.t, err)
	s.replace(dir+"/metadata.json", fmt.Sprintf(`{"path": %q, "type": "Artifact", "metadata": {}}`, path))
	s.replace(dir+"/manifest.json", string(text))
	s.replace(filepath.Dir(dir)+"/latest", fmt.Sprintf("v%d", version))
}

// replace writes a file under another name and moves it into place.
func (s *site) replace(path, text string) {
	s.t.Helper()
	tmp := path + ".tmp.test"
	must(s.t, os.WriteFile(tmp, []byte(text), 0o644))
	must(s.t, os.Rename(tmp, path))
}

// log writes a request to the control file and returns the version that reading it back says.
func (s *site) log(name, request string) (int, error) {
	return logTo(s.path(".log", name), request)
}

func logTo(control, request string) (int, error) {
	f, err := os.OpenFile(control, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := f.Write([]byte(request)); err != nil {
		return 0, err
	}
	answer := make([]byte, 64<<10)
	n, err := f.ReadAt(answer, 0)
	var result struct{ Version int }
	if n == 0 {
		return 0, fmt.Errorf("logged, but no answer could be read back: %w", err)
	}
	if err := json.Unmarshal(answer[:n], &result); err != nil {
		return 0, fmt.Errorf("answer %q: %w", answer[:n], err)
	}
	return result.Version, nil
}

func request(path, writer string, k int) string {
	text, _ := json.Marshal(map[string]any{"path": path, "metadata": map[string]any{"writer": writer, "k": k}})
	return string(text) + "\n"
}

var versionName = regexp.MustCompile(`^v[0-9]+$`)

// complete reads every version of a name that has a manifest.json, past the mount, and fails the test for one that is cut or
// that is not what its directory says.
func (s *site) complete(name string) map[int]record {
	s.t.Helper()
	found := map[int]record{}
	entries, err := os.ReadDir(s.Root + "/" + name)
	if os.IsNotExist(err) {
		return found
	}
	must(s.t, err)
	for _, e := range entries {
		if !versionName.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(s.Root, name, e.Name(), "manifest.json"))
		if os.IsNotExist(err) {
			continue
		}
		must(s.t, err)
		var r record
		if err := json.Unmarshal(text, &r); err != nil {
			s.t.Errorf("%s/%s: manifest.json is cut: %v\n%s", name, e.Name(), err, text)
			continue
		}
		n, _ := strconv.Atoi(e.Name()[1:])
		if r.Version != n || r.Path == "" {
			s.t.Errorf("%s/%s: record says version %d, path %q", name, e.Name(), r.Version, r.Path)
		}
		found[n] = r
	}
	return found
}

// listed are the versions the mount shows.
func (s *site) listed(name string) map[int]bool {
	s.t.Helper()
	found := map[int]bool{}
	entries, err := os.ReadDir(s.path(name))
	must(s.t, err)
	for _, e := range entries {
		if versionName.MatchString(e.Name()) {
			n, _ := strconv.Atoi(e.Name()[1:])
			found[n] = true
		}
	}
	return found
}

// latest is where the link of that name leads.
func (s *site) latest(name string) (int, error) {
	target, err := os.Readlink(s.path(name, "latest"))
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimPrefix(target, "v"))
	if err != nil || !versionName.MatchString(target) {
		return 0, fmt.Errorf("latest leads to %q", target)
	}
	return n, nil
}

// lanes runs a test once per lane, each on a site of its own.
func lanes(t *testing.T, test func(t *testing.T, s *site)) {
	for _, lane := range []string{"bind", "passthrough", "copy", "symlink"} {
		t.Run(lane, func(t *testing.T) { test(t, newSite(t, siteOptions{Lane: lane})) })
	}
}

// servedLanes leaves out the symlink lane, in which the kernel never asks us about data.
func servedLanes(t *testing.T, test func(t *testing.T, s *site)) {
	for _, lane := range []string{"passthrough", "copy"} {
		t.Run(lane, func(t *testing.T) { test(t, newSite(t, siteOptions{Lane: lane})) })
	}
}

// data makes a directory of files below data_roots and returns it.
func (s *site) data(name string, files map[string]string) string {
	s.t.Helper()
	dir := filepath.Join(s.Data, name)
	must(s.t, os.MkdirAll(dir, 0o755))
	for file, text := range files {
		writeFile(s.t, filepath.Join(dir, file), text)
	}
	return dir
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st syscall.Stat_t
	must(t, syscall.Stat(path, &st))
	return st.Ino
}
