package wandbtest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

// journal keeps what changed a server's world: the mutations and file streams themselves, in order.
// A server that starts on it carries them out again, and so has the same ids. What Go calls changed
// (Log, AddUser, Advance) is not in it.
type journal struct{ f *os.File }

// deed is one line of the journal.
type deed struct {
	Time    time.Time
	Key     string // who did it
	Request *gqlRequest
	Stream  *streamed
}

type streamed struct {
	Entity, Project, Run string
	Body                 fileStream
}

// openJournal carries out what the state directory's journal has, and goes on writing there.
func (s *Server) openJournal(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "journal.jsonl"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	end, err := s.repeat(f)
	if err == nil {
		err = f.Truncate(end) // what a killed server left of its last line
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", f.Name(), err), f.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal = &journal{f}
	return nil
}

// repeat carries out the deeds in f, at their times, and returns where the last whole line ends.
func (s *Server) repeat(f *os.File) (end int64, err error) {
	defer s.stands.Store(nil)
	for lines := bufio.NewReader(f); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return end, nil
		}
		var d deed
		if err := json.Unmarshal(line, &d); err != nil {
			return end, fmt.Errorf("after %d bytes: %w", end, err)
		}
		end += int64(len(line))
		s.stands.Store(&d.Time)
		u := s.world.keyed(d.Key)
		if u == nil {
			return end, errors.New("was written with another key")
		}
		if d.Request != nil {
			s.exec(u, *d.Request)
		} else if in := d.Stream; in != nil {
			s.stream(u, in.Entity, in.Project, in.Run, in.Body)
		}
	}
}

// write is called with mu held, before the client hears.
func (s *Server) write(u *user, d deed) {
	if s.journal == nil {
		return
	}
	d.Time, d.Key = s.now(), u.key
	b, err := json.Marshal(d)
	if err == nil {
		_, err = s.journal.f.Write(append(b, '\n'))
	}
	if err != nil {
		panic(fmt.Sprintf("wandbtest: journal: %v", err))
	}
}

func (j *journal) clear() error {
	if err := j.f.Truncate(0); err != nil {
		return err
	}
	_, err := j.f.Seek(0, io.SeekStart)
	return err
}

func (req gqlRequest) mutates() bool {
	op := req.operation()
	return op != nil && op.Operation == ast.Mutation
}
