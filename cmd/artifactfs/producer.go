package main

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"artifactfs.dev/artifactfs/internal/store"
)

// producerVar names the run that logs, as upstream's manifests have it.
const producerVar = "NEMO_EXPERIMENT_ID"

// ownProducer is the producer of what this process logs.
func ownProducer(context.Context) string {
	if v := os.Getenv(producerVar); v != "" {
		return v
	}
	return "local"
}

// callerProducer is the producer of what a process logs through the mount: what
// it would have been, had it logged by itself.
func callerProducer(ctx context.Context) string {
	c, ok := store.CallerOf(ctx)
	if !ok {
		return ownProducer(ctx)
	}
	if c.PID != 0 {
		environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", c.PID))
		for kv := range bytes.SplitSeq(environ, []byte{0}) {
			if v, ok := bytes.CutPrefix(kv, []byte(producerVar+"=")); ok && len(v) > 0 && len(v) < 256 {
				return string(v)
			}
		}
	}
	return "local"
}
