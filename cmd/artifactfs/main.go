// Command artifactfs mounts an artifact store as a directory tree, and works on
// the store without a mount: it lists, resolves, reads and logs versions.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(exitCode(run(context.Background(), os.Args)))
}
