//go:build linux

package main

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// A slowLink stands before a server as a network would: a round trip of 20 ms, and each connection brings 25 MiB/s at most.
type slowLink struct {
	addr string
	next string
	l    net.Listener
	sent atomic.Int64 // to clients, in bytes
}

const (
	roundTrip  = 20 * time.Millisecond
	streamRate = 25 << 20 // bytes a second
)

func newSlowLink(next string) (*slowLink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &slowLink{addr: l.Addr().String(), next: next, l: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.carry(c)
		}
	}()
	return s, nil
}

func (s *slowLink) carry(client net.Conn) {
	defer client.Close()
	time.Sleep(roundTrip) // the handshake's
	server, err := net.Dial("tcp", s.next)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		s.delay(server, client)
		server.Close()
	}()
	s.pace(client, server)
}

// A parcel is what arrives at a time.
type parcel struct {
	data []byte
	due  time.Time
}

// delay carries requests: all of the round trip is on their way.
func (s *slowLink) delay(to io.Writer, from io.Reader) {
	under := make(chan parcel, 1024)
	go func() {
		defer close(under)
		for {
			b := make([]byte, 16<<10)
			n, err := from.Read(b)
			if n > 0 {
				under <- parcel{b[:n], time.Now().Add(roundTrip)}
			}
			if err != nil {
				return
			}
		}
	}()
	broken := false
	for p := range under {
		if time.Sleep(time.Until(p.due)); !broken {
			_, err := to.Write(p.data)
			broken = err != nil
		}
	}
}

// pace carries answers, no faster than the rate.
func (s *slowLink) pace(to io.Writer, from io.Reader) {
	b := make([]byte, 128<<10)
	free := time.Now() // from when on the line is
	for {
		n, err := from.Read(b)
		if now := time.Now(); free.Before(now.Add(-10 * time.Millisecond)) {
			free = now // what it could have carried while there was nothing is lost
		}
		free = free.Add(time.Duration(n) * time.Second / streamRate)
		time.Sleep(time.Until(free))
		if n > 0 {
			k, err := to.Write(b[:n])
			if s.sent.Add(int64(k)); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
