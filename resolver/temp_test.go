package resolver

import (
	"testing"
	"time"
)

// What a dead process began is not seen any more, at once, but for what programs
// that come after may still rename.
func TestDeadTemporaries(t *testing.T) {
	c := &clock{time.Now()}
	s := newSite(t, &Options{Now: c.Now})
	s.log("a", `{"path": "DATA"}`)
	w, end := s.writer()
	_, err := s.dirAt(".manifest/a").Mkdir(w.ctx, "v2")
	ok(t, err)
	for dir, name := range map[string]string{".manifest/a": ".latest_tmp_7", ".manifest/a/v2": "metadata.json.tmp.7", ".manifest": indexTemp} {
		_, h, err := s.dirAt(dir).Create(w.ctx, name, false)
		ok(t, err)
		_, err = h.Write(w.ctx, []byte("half"), 0)
		ok(t, err)
	}
	s.wantLs(".manifest", ".art_index.tmp a/")
	s.wantLs(".manifest/a", ".latest_tmp_7 latest v1/ v2/")
	s.wantLs(".manifest/a/v2", "metadata.json.tmp.7")
	end()
	if x, err := s.dirAt(".manifest/a").Lookup(ctx, ".latest_tmp_7"); err == nil {
		t.Errorf("a dead process's file is found: %+v", x)
	}
	s.wantLs(".manifest/a", "latest v1/ v2/")
	s.wantLs(".manifest/a/v2", "")
	s.wantLs(".manifest", ".art_index.tmp a/")
	c.now = c.now.Add(tempLife + time.Second)
	s.drafts.sweep(c.now)
	s.wantLs(".manifest", "a/")
	if s.drafts.size != 0 || len(s.drafts.temps) != 0 {
		t.Errorf("left: %d bytes, files %v", s.drafts.size, s.drafts.temps)
	}
}
