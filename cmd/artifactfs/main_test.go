package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be artifactfs in child processes: the scripts
// run the real program, with real mounts.
func TestMain(m *testing.M) {
	ownNamespace()
	testscript.Main(m, map[string]func(){
		"artifactfs":             main,
		"mount.fuse.artifactfs":  main,
		"umount.fuse.artifactfs": main,
	})
}

// TestScripts runs one script after the other. They share a mount namespace, which is not
// the machine's, and a log of any store looks at every mount there: one that another script
// has killed, stopped, hidden or is just taking away would be in its way, and a private
// namespace that one makes keeps the daemons of all.
func TestScripts(t *testing.T) {
	all, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runScript(t, file) })
	}
}

func runScript(t *testing.T, file string) {
	testscript.Run(t, testscript.Params{
		Files:               []string{file},
		Setup:               setUp,
		Cmds:                commandsOf(t, file),
		Condition:           condition,
		RequireExplicitExec: true,
	})
}

// condition: [root] is who may mount for everybody, [fuse] whether anybody can, [host]
// whether the tests were started in no container.
func condition(name string) (bool, error) {
	switch name {
	case "host":
		return outerIsHost(), nil
	case "root":
		return os.Geteuid() == 0, nil
	case "fuse":
		f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
		if err == nil {
			f.Close()
		}
		return err == nil, nil
	}
	return false, nil
}
