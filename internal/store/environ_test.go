package store

import (
	"maps"
	"os"
	"testing"
)

func TestEnviron(t *testing.T) {
	me := os.Getuid()
	pid := startEnv(t, me, "WANDB_RUN_ID=r7", "WANDB_API_KEY=secret", "EMPTY=")
	want := map[string]string{"WANDB_RUN_ID": "r7", "EMPTY": ""}
	if got := Environ(ctxOf(me, pid), "WANDB_RUN_ID", "EMPTY", "ABSENT"); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for what, ctx := range map[string][2]int{"another user's": {me + 1, pid}, "invisible": {me, 0}, "gone": {me, 1<<22 + 7}} {
		if got := Environ(ctxOf(ctx[0], ctx[1]), "WANDB_RUN_ID"); len(got) != 0 {
			t.Errorf("%s: %v", what, got)
		}
	}
	t.Setenv("WANDB_RUN_ID", "own")
	if got := Environ(t.Context(), "WANDB_RUN_ID", "ABSENT"); !maps.Equal(got, map[string]string{"WANDB_RUN_ID": "own"}) {
		t.Errorf("this process: %v", got)
	}
}
