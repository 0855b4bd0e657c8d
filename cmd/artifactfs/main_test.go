package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
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

// disturbing is what a script has that others would see. In the mount namespace of the
// tests, which is not the machine's, a log of any store waits for what a mount that is
// dead, hangs or is hidden may say of it; and a private mount namespace keeps the mounts
// of every script that runs at that time, and their daemons with them.
var disturbing = []string{"signal -", "kill -", "mount --bind", "unshare"}

func runsAlone(t *testing.T, file string) bool {
	script, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(disturbing, func(s string) bool { return bytes.Contains(script, []byte(s)) })
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
