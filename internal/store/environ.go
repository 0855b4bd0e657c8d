package store

import (
	"bytes"
	"context"
	"os"
	"strconv"
)

// Environ returns those of the named variables that the caller's process has in the
// environment that it was started with; without a caller, those of this process. A
// process that cannot be seen, or is not the caller's through and through, has none.
func Environ(ctx context.Context, names ...string) map[string]string {
	out := make(map[string]string)
	c, ok := CallerOf(ctx)
	if !ok {
		for _, name := range names {
			if v, ok := os.LookupEnv(name); ok {
				out[name] = v
			}
		}
		return out
	}
	if c.PID == 0 {
		return out
	}
	dir := "/proc/" + strconv.FormatUint(uint64(c.PID), 10)
	if b, err := os.ReadFile(dir + "/status"); err != nil || !allUIDs(b, c.UID) {
		return out
	}
	env := readEnviron(dir + "/environ")
	for _, name := range names {
		// Of a variable that is there twice the first counts, as getenv has it.
		for entry := range bytes.SplitSeq(env, []byte{0}) {
			if v, ok := bytes.CutPrefix(entry, []byte(name+"=")); ok {
				out[name] = string(v)
				break
			}
		}
	}
	return out
}
