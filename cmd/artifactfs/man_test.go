package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMan: every command that help shows has a page, with the sections that a
// page has, and groff finds nothing wrong with it.
func TestMan(t *testing.T) {
	dir := t.TempDir()
	a := &app{in: strings.NewReader(""), out: io.Discard, err: io.Discard}
	root := a.command()
	if err := writeMan(root, dir); err != nil {
		t.Fatal(err)
	}
	pages := 1
	for _, c := range root.Commands() {
		page := filepath.Join(dir, "artifactfs-"+c.Name()+".1")
		_, err := os.Stat(page)
		if shown := c.IsAvailableCommand() && c.Name() != "help"; shown != (err == nil) {
			t.Errorf("%s: shown in help %v, page: %v", c.Name(), shown, err)
		} else if shown {
			pages++
			checkPage(t, page, c.Short)
		}
		if c.IsAvailableCommand() && c.Short == "" {
			t.Errorf("%s has no short description", c.Name())
		}
	}
	checkPage(t, filepath.Join(dir, "artifactfs.1"), root.Short)
	if all, _ := os.ReadDir(dir); len(all) < pages {
		t.Errorf("%d pages, want %d", len(all), pages)
	}
}

func checkPage(t *testing.T, file, short string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range []string{"NAME", "SYNOPSIS", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"} {
		if !strings.Contains(string(b), ".SH "+section+"\n") {
			t.Errorf("%s: no section %s", filepath.Base(file), section)
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		return
	}
	warnings, err := exec.Command(groff, "-man", "-Tutf8", "-ww", "-z", file).CombinedOutput()
	if err != nil || len(warnings) > 0 {
		t.Errorf("groff %s: %v\n%s", filepath.Base(file), err, warnings)
	}
	text, err := exec.Command(groff, "-man", "-Tascii", "-P-cbou", "-rLL=300n", file).Output()
	if err != nil || !strings.Contains(string(text), strings.ReplaceAll(short, "’", "'")) {
		t.Errorf("%s does not show %q: %v", filepath.Base(file), short, err)
	}
}

func TestManText(t *testing.T) {
	got := manText("Look at it:\n\n  ok    fine\n  bad   not\n\nThe end.")
	want := "Look at it:\n\n\n    ok    fine\n    bad   not\n\n\nThe end."
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
