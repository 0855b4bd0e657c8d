package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
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

// alone are the scripts in which a mount is dead or hangs for a while: in the mount
// namespace of the tests, which is not the machine's, a log of any store waits for what
// such a mount may say of it.
var alone = []string{"beside", "doctor", "hung", "killed", "named"}

// runsAlone is also said of a script that makes a mount namespace: a private one holds
// the mounts of every script that runs at that time, and their daemons with them.
func runsAlone(t *testing.T, file string) bool {
	script, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSuffix(filepath.Base(file), ".txtar")
	return slices.Contains(alone, name) || bytes.Contains(script, []byte("unshare"))
}

func TestScripts(t *testing.T) {
	all, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var others []string
	for _, file := range all {
		if !runsAlone(t, file) {
			others = append(others, file)
			continue
		}
		t.Run("alone", func(t *testing.T) { runScripts(t, file) })
	}
	t.Run("beside_each_other", func(t *testing.T) { runScripts(t, others...) })
}

func runScripts(t *testing.T, files ...string) {
	testscript.Run(t, testscript.Params{
		Files:               files,
		Setup:               setUp,
		Cmds:                scriptCommands,
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
