package main

import (
	"os"
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

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
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
