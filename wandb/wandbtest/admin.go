package wandbtest

import (
	"encoding/json"
	"net/http"
	"time"
)

// AdminPath is where a server with Options.Admin takes orders, by POST, from clients in other
// processes: AdminPath + /fail, /limit, /heal, /expire, /features, /down, /reset; /requests answers
// how many of an operation there were.
const AdminPath = "/_wandbtest"

type order struct {
	Op       string            `json:"op"`
	Skip     int               `json:"skip"`
	Times    int               `json:"times"`
	Late     bool              `json:"late"`
	Status   int               `json:"status"`
	Header   map[string]string `json:"header"`
	Body     string            `json:"body"`
	Drop     bool              `json:"drop"`
	Hang     bool              `json:"hang"`
	Cut      int               `json:"cut"`
	Corrupt  bool              `json:"corrupt"`
	Delay    float64           `json:"delay"`    // seconds
	Features Features          `json:"features"` // of /features and /reset
	For      float64           `json:"for"`      // seconds that /down lasts; 0 is for ever
	Limit    int               `json:"limit"`    // requests
	Per      float64           `json:"per"`      // in so many seconds
}

// admin carries out an order.
func (s *Server) admin(w http.ResponseWriter, r *http.Request, what string) {
	var o order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	switch what {
	case "fail":
		s.Fail(o.Op, Fault{Skip: o.Skip, Times: o.Times, Late: o.Late, Status: o.Status, Header: o.Header, Body: o.Body,
			Drop: o.Drop, Hang: o.Hang, Cut: o.Cut, Corrupt: o.Corrupt, Delay: time.Duration(o.Delay * float64(time.Second))})
	case "limit":
		s.Limit(o.Op, o.Limit, time.Duration(o.Per*float64(time.Second)))
	case "requests":
		answer(w, http.StatusOK, map[string]int64{"requests": int64(s.Requests(o.Op)), "bytes_served": s.BytesServed()})
		return
	case "heal":
		s.Heal()
	case "expire":
		s.ExpireURLs()
	case "features":
		s.SetFeatures(o.Features)
	case "reset":
		s.Heal()
		s.SetFeatures(o.Features)
		if err := s.Reset(); err != nil {
			answer(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
			return
		}
	case "down":
		answer(w, http.StatusOK, map[string]bool{"ok": true})
		http.NewResponseController(w).Flush() // the client is to have it before its connection breaks
		s.outages.Go(func() { s.outage(time.Duration(o.For * float64(time.Second))) })
		return
	default:
		http.NotFound(w, r)
		return
	}
	answer(w, http.StatusOK, map[string]bool{"ok": true})
}

func (s *Server) outage(d time.Duration) {
	s.Down()
	if d == 0 {
		return
	}
	select {
	case <-time.After(d):
		s.Up() // if somebody has taken the address meanwhile, it stays down
	case <-s.closed:
	}
}

// Reset forgets everything that was logged, blobs too.
func (s *Server) Reset() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world = newWorld(s)
	if s.journal != nil {
		if err := s.journal.clear(); err != nil {
			return err
		}
	}
	return s.store.clear()
}
