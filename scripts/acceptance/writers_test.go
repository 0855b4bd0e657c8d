//go:build linux

package acceptance

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// logsVar says how often each process of TestWritersThroughAllDoors and TestWritersToBuckets logs: ARTIFACTFS_TEST_LOGS=50, or 20 for buckets, is
// the whole promise.
const logsVar = "ARTIFACTFS_TEST_LOGS"

// logsEach is how often a process logs, unless ARTIFACTFS_TEST_LOGS says otherwise.
func logsEach(usual int) int {
	if n, err := strconv.Atoi(os.Getenv(logsVar)); err == nil {
		return n
	}
	return usual
}

// 64 processes log to one name, each many versions, through all four doors at once. Every log has a version of its own, complete and as
// answered; meanwhile latest never dangles and never goes back.
func TestWritersThroughAllDoors(t *testing.T) {
	py := python(t)
	s := newSite(t, siteOptions{})
	const name = "team/corpus" // nested names go through the same doors, once team is there
	dir := s.data("corpus", map[string]string{"part.txt": "text"})
	processes, each := 64, logsEach(8)
	if testing.Short() {
		processes, each = 16, logsEach(10)
	}

	doors := []func(tag string) ([]string, string){
		func(tag string) ([]string, string) { return shellWriter(s, name, dir, tag, each), "" },
		func(tag string) ([]string, string) { return commandWriter(name, dir, tag, each), "" },
		func(tag string) ([]string, string) {
			return []string{py, "upstream_writer.py", s.path(".manifest"), name, strconv.Itoa(each), dir, tag}, "."
		},
		func(tag string) ([]string, string) {
			return []string{py, "raw_writer.py", s.Root, name, strconv.Itoa(each), dir, tag}, "."
		},
	}

	s.artifactfs("log", name, dir, "--set", "writer=first", "--set", "k=0")
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	readers.Go(func() { watchLatest(t, s, name, stop) })
	readers.Go(func() { watchLatestFile(t, s, name, stop) })
	var mu sync.Mutex
	answered := map[string]int{}
	for i := range processes {
		tag := fmt.Sprintf("%s%d", []string{"shell", "command", "upstream", "raw"}[i%len(doors)], i)
		argv, cwd := doors[i%len(doors)](tag)
		writers.Go(func() {
			got, err := runWriter(s, argv, cwd, tag)
			if err != nil {
				t.Errorf("%s: %v", tag, err)
			}
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(answered, got)
		})
	}
	writers.Wait()
	// Raw writers leave latest alone, so the last word is a log of ours.
	last, err := s.log(name, request(dir, "last", 0))
	must(t, err)
	answered["last/0"] = last
	close(stop)
	readers.Wait()
	checkWritten(t, s, name, answered, processes*each+2)
}

func checkWritten(t *testing.T, s *site, name string, answered map[string]int, want int) {
	t.Helper()
	found := s.complete(name)
	if len(found) != want {
		t.Errorf("%d complete versions in the store, want %d", len(found), want)
	}
	tags := map[string]int{}
	for n, r := range found {
		if other, twice := tags[r.tag()]; twice {
			t.Errorf("v%d and v%d are both %s", n, other, r.tag())
		}
		tags[r.tag()] = n
		if _, err := os.Stat(fmt.Sprintf("%s/%s/v%d/metadata.json", s.Root, name, n)); err != nil {
			t.Errorf("v%d: %v", n, err)
		}
	}
	if len(tags) != want {
		t.Errorf("%d different logs in the store, want %d", len(tags), want)
	}
	for tag, n := range answered {
		if n != 0 && tags[tag] != n {
			t.Errorf("%s was answered v%d and is v%d", tag, n, tags[tag])
		}
	}
	highest := slices.Max(slices.Collect(maps.Keys(found)))
	if got, err := s.latest(name); got != highest || err != nil {
		t.Errorf("latest is v%d (%v), highest is v%d", got, err, highest)
	}
	eventually(t, soon, "the mount lists what the store holds", func() error {
		if got := len(s.listed(name)); got != want {
			return fmt.Errorf("lists %d, want %d", got, want)
		}
		return nil
	})
}

// shellWriter sees what a shell sees: the exit status of echo. Which version it became is found by its tag.
func shellWriter(s *site, name, dir, tag string, each int) []string {
	script := fmt.Sprintf(`k=0; while [ $k -lt %d ]; do
		echo '{"path": "%s", "metadata": {"writer": "%s", "k": '$k'}}' > "%s" || exit 1
		echo "$k 0"; k=$((k + 1)); done`, each, dir, tag, s.path(".log", name))
	return []string{"sh", "-c", script}
}

func commandWriter(name, dir, tag string, each int) []string {
	script := fmt.Sprintf(`k=0; while [ $k -lt %d ]; do
		n=$(artifactfs log '%s' '%s' --set writer=%s --set k=$k --json | tr -d ' \n' | sed 's/.*"version":\([0-9]*\).*/\1/') || exit 1
		echo "$k $n"; k=$((k + 1)); done`, each, name, dir, tag)
	return []string{"sh", "-c", script}
}

// runWriter collects the lines "K N" of one writer: its K-th log became version N, 0 where it was not told.
func runWriter(s *site, argv []string, cwd, tag string) (map[string]int, error) {
	var stderr bytes.Buffer
	cmd := s.command(argv[0], argv[1:]...)
	if cwd != "" {
		cmd.Dir = cwd
	}
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	got := map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		k, n, _ := strings.Cut(lines.Text(), " ")
		version, convErr := strconv.Atoi(n)
		if convErr != nil {
			return got, fmt.Errorf("said %q: %s", lines.Text(), stderr.Bytes())
		}
		got[tag+"/"+k] = version
	}
	if err != nil {
		return got, fmt.Errorf("%w: %s", err, tail(stderr.Bytes(), 600))
	}
	return got, nil
}

// watchLatest follows the link as a job would: it leads to a version that is there, and to no lower one than before.
func watchLatest(t *testing.T, s *site, name string, stop <-chan struct{}) {
	before := 0
	for {
		select {
		case <-stop:
			return
		default:
		}
		n, err := s.latest(name)
		switch {
		case os.IsNotExist(err) && before == 0:
			continue // nobody has logged yet
		case err != nil:
			t.Errorf("latest, after v%d: %v", before, err)
			return
		case n < before:
			t.Errorf("latest went back from v%d to v%d", before, n)
			return
		}
		before = n
		if text, err := os.ReadFile(s.path(name, "latest", "part.txt")); string(text) != "text" {
			t.Errorf("through latest, v%d: %q, %v", n, text, err)
			return
		}
	}
}

// watchLatestFile does as upstream's reader: the text of latest names a directory with a manifest.json.
func watchLatestFile(t *testing.T, s *site, name string, stop <-chan struct{}) {
	before := 0
	for {
		select {
		case <-stop:
			return
		default:
		}
		text, err := os.ReadFile(s.path(".manifest", name, "latest"))
		if os.IsNotExist(err) && before == 0 {
			continue
		}
		n, convErr := strconv.Atoi(strings.TrimPrefix(string(text), "v"))
		if err != nil || convErr != nil || n < before {
			t.Errorf("the file latest, after v%d: %q, %v", before, text, err)
			return
		}
		before = n
		if text, err := os.ReadFile(s.path(".manifest", name, fmt.Sprint("v", n), "manifest.json")); err != nil || !bytes.HasSuffix(text, []byte("}")) {
			t.Errorf(".manifest/%s/v%d/manifest.json: %q, %v", name, n, text, err)
			return
		}
	}
}
