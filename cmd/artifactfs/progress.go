package main

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// progress tells a person at a terminal that something longer than a second is
// going on. On anything else it says nothing.
type progress struct {
	n    atomic.Int64
	stop chan struct{}
	done chan struct{}
}

// startProgress counts what; call end when it is over.
func startProgress(w io.Writer, what string) *progress {
	p := &progress{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		if !onTerminal(w) {
			<-p.stop
			return
		}
		said := false
		wait := time.NewTimer(time.Second)
		defer wait.Stop()
		for {
			select {
			case <-p.stop:
				if said {
					fmt.Fprint(w, "\r\x1b[K")
				}
				return
			case <-wait.C:
				said = true
				fmt.Fprintf(w, "\r%s: %d", what, p.n.Load())
				wait.Reset(200 * time.Millisecond)
			}
		}
	}()
	return p
}

func (p *progress) add() { p.n.Add(1) }

// end takes the line away again, before anything else is printed.
func (p *progress) end() {
	close(p.stop)
	<-p.done
}
