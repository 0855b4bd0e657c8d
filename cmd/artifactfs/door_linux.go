package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/fs"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

// mountElsewhere returns where the mount at dir shows its configuration; "" if there is
// no mount that answers.
func mountElsewhere(dir string) (configFile string, err error) {
	switch check(dir) {
	case serving:
		return filepath.Join(dir, ".artifactfs", "config"), nil
	case hung, dead:
		return "", fmt.Errorf("the mount at %s does not answer; artifactfs status %[1]s", dir)
	}
	return "", nil
}

// door is a mount of the store whose daemon stands elsewhere, as it does for a
// container: it knows what a path of ours is on the host, and we do not.
type door struct{ dir string }

// doorTo returns the door to k's store; nil if there is none, or if the store's
// daemon sees the same paths as we do. at is the mount that was named, if one was.
func doorTo(ctx context.Context, k *core, at string) (*door, error) {
	if k.store == nil {
		return nil, nil
	}
	here, err := place()
	if err != nil {
		return nil, fmt.Errorf("whether a path here is the same file where the store is mounted cannot be told: %w; is /proc mounted?", err)
	}
	if servedHere(k, here) {
		return nil, nil
	}
	mounts, err := wholeMounts()
	if err != nil {
		return nil, err
	}
	var doors []*door
	var silent error
	for _, m := range mounts {
		if at != "" && m.Mountpoint != at {
			continue
		}
		if s, err := findState(m.Mountpoint); err == nil && s.Place == here {
			continue
		}
		switch st, err := statusElsewhere(m, here); {
		case err != nil && ourUsers(m): // it may be of our store, and this a container
			silent = fmt.Errorf("what a path is where %s is mounted cannot be asked: %w; artifactfs status %[1]s", m.Mountpoint, err)
		case st == nil:
		case k.cfg.Embedded, at != "": // nothing is configured: what is mounted here is meant
			doors = append(doors, &door{m.Mountpoint})
		case slices.ContainsFunc(st.Stores, func(s storeStatus) bool { return sameStore(k, s) }):
			return &door{m.Mountpoint}, nil
		}
	}
	switch len(doors) {
	case 0:
		if silent != nil && knowsHome(ctx, k) {
			return nil, nil
		}
		return nil, silent
	case 1:
		return doors[0], nil
	}
	return nil, fmt.Errorf("nothing is configured here, and there are several mounts (%s, %s): say which with --mount DIR, or artifacts.manifest.root=…", doors[0].dir, doors[1].dir)
}

// servedHere says whether a daemon that stands here serves the store: then paths mean
// what they mean to us.
func servedHere(k *core, here string) bool {
	return slices.ContainsFunc(states(), func(s *state) bool {
		return s.Place == here && s.Config.Root == k.cfg.Root && s.held()
	})
}

// sameAtHome refuses a path that is another file, or none, to the first process, where
// no mount tells what paths mean and that one can be seen: the store that we log to is
// read there.
func sameAtHome(ctx context.Context, k *core, path string) error {
	here, err := place()
	if err != nil || servedHere(k, here) {
		return nil
	}
	home, err := placeOf("1")
	if err != nil || home == here || !storeAtHome(ctx, k) {
		return nil // not to be seen, as from most containers; or a store of this container's own
	}
	there, err := k.root.PathFor(ctx, 1, path)
	switch {
	case errors.Is(err, unix.EXDEV):
		return fmt.Errorf("%w; give the container its data at the host's path, or the store's mount", err)
	case err == nil && there != path:
		return fmt.Errorf("%s here is %s on the host, and the store is the host's: log it there, or give the container the store's mount: %w", path, there, unix.EXDEV)
	}
	return nil // whether it is here at all is asked next
}

// storeAtHome says whether the first process has the store, too.
func storeAtHome(ctx context.Context, k *core) bool {
	if k.dir == nil {
		return true // a bucket is the same from everywhere
	}
	_, err := k.root.PathFor(ctx, 1, k.dir.String())
	return err == nil
}

// knowsHome says whether it can be told without a mount what a path is on the host:
// this is the host, or its first process is to be seen, by which sameAtHome goes. Then a
// mount that does not answer, be it of another store, is no reason to log nothing.
func knowsHome(ctx context.Context, k *core) bool {
	if onHost() {
		return true
	}
	_, err := placeOf("1")
	return err == nil && hostPIDs() && storeAtHome(ctx, k)
}

// isMounted reports whether a mount is still there, and its path leads to it. The number
// of one that was taken away is soon another's.
func isMounted(m *mountinfo.Info) bool {
	now, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) {
		same := i.ID == m.ID && i.Mountpoint == m.Mountpoint
		return !same, same
	})
	return err != nil || len(now) > 0 && !fs.Covered(m.Mountpoint)
}

// wholeMounts are the mounts of artifactfs that are to be seen from their root, and
// that their daemon lets us look into.
func wholeMounts() ([]*mountinfo.Info, error) {
	at, us := make(map[string]bool), outside(os.Geteuid())
	return mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) {
		if i.FSType != fs.Type || i.Root != "/" || at[i.Mountpoint] || !mayLook(i, us) {
			return true, false
		}
		at[i.Mountpoint] = true
		return false, false
	})
}

// mayLook reports whether the kernel lets a user, as the host numbers them, look into a mount.
func mayLook(m *mountinfo.Info, user int) bool {
	return slices.Contains(strings.Split(m.VFSOptions, ","), "allow_other") || mounter(m) == user
}

// mounter is the user whose daemon serves a mount, as the host numbers users.
func mounter(m *mountinfo.Info) int {
	for o := range strings.SplitSeq(m.VFSOptions, ",") {
		if id, ok := strings.CutPrefix(o, "user_id="); ok {
			if n, err := strconv.Atoi(id); err == nil {
				return n
			}
		}
	}
	return -1
}

// ourUsers says whether a mount is root's or our own. On a host the state of such a
// mount is there to be read; what others have mounted, and left to hang, is no reason
// to log nothing.
func ourUsers(m *mountinfo.Info) bool {
	return mounter(m) == 0 || mounter(m) == outside(os.Geteuid())
}

// statusElsewhere asks a mount for its status, which is nil if its daemon stands here, or
// does not tell, or the mount has been taken away meanwhile.
func statusElsewhere(m *mountinfo.Info, here string) (*statusDoc, error) {
	var d statusDoc
	patience := 10 * time.Second
	if onHost() { // paths are known without it
		patience = comesBack
	}
	for end := time.Now().Add(comesBack); ; {
		err := askStatusFor(patience, m.Mountpoint, &d)
		if err != nil && !isMounted(m) {
			return nil, nil
		}
		if err != nil && !errors.Is(err, errNoAnswer) && time.Now().Before(end) {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if err != nil || d.Place == "" || d.Place == here {
			return nil, err
		}
		if !d.unseen() || time.Now().After(end) {
			return &d, nil
		}
		_, _ = ask(filepath.Join(m.Mountpoint, "artifactfs"), 3*time.Second) // any name has it look
		time.Sleep(50 * time.Millisecond)
	}
}

// comesBack is how long a mount may take to answer again when its daemon was killed.
const comesBack = 3 * time.Second

// sameStore says whether a mount shows the store that is configured here. The two
// may know its directory by other paths; where we do not have it, the path decides.
func sameStore(k *core, s storeStatus) bool {
	if k.dir == nil {
		return k.cfg.Root == s.Root
	}
	var st unix.Stat_t
	if err := unix.Stat(k.dir.String(), &st); err == nil && s.ID != "" {
		return dirID(st.Dev, st.Ino) == s.ID
	}
	return k.cfg.Root == s.Root
}

// log has the daemon log a request, and returns what became of it. wait has it wait for
// W&B, as await does.
func (d *door) log(ctx context.Context, name string, request []byte, o resolver.LogOptions, wait bool) (*resolver.Result, error) {
	return askDoor(ctx, d, "log of "+name, resolver.LogDoorText(name, request, o), func(r *resolver.Result) bool { return !wait || settled(r.WandB) })
}

// alias has it give a version a further name, or with remove take one away.
func (d *door) alias(ctx context.Context, ref manifest.Ref, alias string, remove, wait bool) (*resolver.AliasResult, error) {
	return askDoor(ctx, d, "alias "+alias+" of "+ref.Name, resolver.AliasDoorText(ref, alias, remove), func(r *resolver.AliasResult) bool { return !wait || settled(r.WandB) })
}

// askDoor writes a request, and reads what became of it until that is enough, or
// longestAwait has passed.
func askDoor[T any](ctx context.Context, d *door, what string, request []byte, enough func(*T) bool) (last *T, err error) {
	f, err := os.OpenFile(filepath.Join(d.dir, ".artifactfs", "log"), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("%s through %s, whose daemon is not of this container: %w", what, d.dir, err)
	}
	defer f.Close()
	_, failed := f.Write(request)
	ctx, cancel := context.WithTimeout(ctx, longestAwait)
	defer cancel()
	for {
		b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<22))
		now, said := new(T), struct{ Error string }{}
		switch {
		case failed == nil && err == nil:
			err = json.Unmarshal(b, now)
		case failed != nil && json.Unmarshal(b, &said) == nil && said.Error != "":
			return nil, fmt.Errorf("%s (through %s)", said.Error, d.dir)
		}
		if err = cmp.Or(failed, err); err != nil && last == nil {
			return nil, fmt.Errorf("%s through %s: %w", what, d.dir, err)
		}
		if err != nil { // it is logged, and the daemon that could say more has ended
			return last, nil
		}
		if last = now; enough(now) {
			return last, nil
		}
		select {
		case <-ctx.Done():
			return last, nil
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// version returns what an alias names in the mount, as vN.
func (d *door) version(ref manifest.Ref) (string, error) {
	v, err := os.Readlink(filepath.Join(d.dir, ref.Which(), ref.Version))
	if _, ok := manifest.ParseVersion(v); err == nil && !ok {
		err = fmt.Errorf("it is %s, which is no version", v)
	}
	return v, err
}
