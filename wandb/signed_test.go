package wandb_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// A reader who leaves does not take the request for addresses with him that others wait
// for: it is asked once, and they get their bytes.
func TestLeaverLeavesAddresses(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	log(t, srv, wandbtest.Version{Name: "m", Files: map[string][]byte{"f": []byte("hello")}})
	o := object(t, filesOf(t, s, "m"), "f").Object
	srv.Fail("FileURLs", wandbtest.Fault{Delay: 3 * time.Second})
	leaving, leave := context.WithCancel(ctx(t))
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := read(leaving, o, 0, 5); first <- err }()
	for end := time.Now().Add(time.Minute); srv.Requests("FileURLs") == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody asks for addresses")
		}
	}
	go func() {
		got, err := read(ctx(t), o, 0, 5)
		if err == nil && string(got) != "hello" {
			err = errors.New("it holds " + string(got))
		}
		second <- err
	}()
	leave()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	if err := <-second; err != nil {
		t.Errorf("who stayed: %v", err)
	}
	if n := srv.Requests("FileURLs"); n != 1 {
		t.Errorf("addresses were asked for %d times, want once", n)
	}
}
