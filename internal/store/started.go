package store

import (
	"bytes"
	"fmt"
	"os"
)

// Started returns when a process started, in ticks since boot; "" if that cannot
// be seen. With its id it tells a process from all others of this node.
func Started(process uint32) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process))
	if err != nil {
		return ""
	}
	// The command's name, in parentheses, may hold anything.
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 20 {
		return ""
	}
	return string(f[19])
}
