// Command artifactfs mounts an artifact store as a directory tree, and works on
// the store without a mount: it lists, resolves, reads and logs versions.
package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
)

// The process's first thread stays with main: internal/store gives the thread it
// works on a caller's ids, and the first one's are what /proc shows of the process.
// Only an init can keep it.
func init() { runtime.LockOSThread() }

func main() {
	os.Exit(helperExit(filepath.Base(os.Args[0]), exitCode(run(context.Background(), os.Args))))
}
