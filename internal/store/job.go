package store

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"time"
)

// Job is the job that a process belongs to. Processes of one job have one ID on
// every node; a process of another user never has it, whatever its environment.
type Job struct {
	UID     uint32
	Cluster string // Slurm's; other jobs' names are their own everywhere
	Name    string // what the scheduler or the user calls it, such as slurm-123
	Restart int    // how often Slurm has requeued it
	Source  string // where Name comes from: a variable, or cgroup
}

// JobOf returns the job of the caller in ctx, and false if it is in none, cannot
// be seen, or is no caller but the daemon itself.
func JobOf(ctx context.Context) (Job, bool) {
	c, ok := CallerOf(ctx)
	if !ok || c.PID == 0 {
		return Job{}, false
	}
	k, ok := jobKeyOf(c)
	if !ok {
		return Job{}, false
	}
	j, known := jobs.get(k)
	if !known {
		// A process that ended or became another meanwhile is not what was asked.
		j = readJob(c)
		if now, ok := jobKeyOf(c); !ok || now != k {
			return Job{}, false
		}
		jobs.put(k, j)
	}
	return j, j.Name != ""
}

// OwnJob returns the job of this process.
func OwnJob() (Job, bool) {
	return JobOf(WithCaller(context.Background(), Caller{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), PID: uint32(os.Getpid())}))
}

// jobs is kept for the whole process, as statuses is: a job does not depend on
// who asks. A process without one is kept too; most are.
var jobs = recent[jobKey, Job]{size: 4096, keep: 10 * time.Minute}

// jobKey is a process between two exec: a pid may be used again, and exec brings
// another environment at another place. Threads are told apart, for the process
// would have to be looked up to tell that they are one.
type jobKey struct {
	pid, uid   uint32
	start, env string
}

// jobKeyOf reads one line of /proc. That is all that a call outside any job pays.
func jobKeyOf(c Caller) (jobKey, bool) {
	pid := strconv.FormatUint(uint64(c.PID), 10)
	// Below task, the kernel does not add up all threads' times.
	b, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/stat")
	if err != nil {
		return jobKey{}, false
	}
	start, env, ok := parseStat(b)
	return jobKey{c.PID, c.UID, start, env}, ok
}

// parseStat returns when a process started, and where its environment lies.
func parseStat(b []byte) (start, env string, ok bool) {
	// The command's name, in parentheses, may hold anything.
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 49 {
		return "", "", false
	}
	return string(f[19]), string(f[47]) + "-" + string(f[48]), true
}

// readJob asks the cgroup and the environment. The environment counts only if the
// process is the caller's through and through: a set-user-ID program is started
// with what another user has put there.
func readJob(c Caller) Job {
	dir := "/proc/" + strconv.FormatUint(uint64(c.PID), 10)
	var env map[string]string
	if b, err := os.ReadFile(dir + "/status"); err == nil && allUIDs(b, c.UID) {
		env = parseEnviron(readEnviron(dir + "/environ"))
	}
	cgroup, _ := os.ReadFile(dir + "/cgroup")
	j := jobFrom(parseCgroup(cgroup), env)
	j.UID = c.UID
	return j
}

// allUIDs reports whether each of a process's user ids is uid.
func allUIDs(status []byte, uid uint32) bool {
	for line := range bytes.Lines(status) {
		rest, ok := bytes.CutPrefix(line, []byte("Uid:"))
		if !ok {
			continue
		}
		f := bytes.Fields(rest)
		for i := range f {
			if id(f, i) != uid {
				return false
			}
		}
		return len(f) == 4
	}
	return false
}

// maxEnviron is what execve takes at the usual stack limit.
const maxEnviron = 2 << 20

// environs are the reads of environments under way.
var environs = make(chan struct{}, 16)

// readEnviron reads at most maxEnviron. The pages are the process's own, which may
// have arranged (userfaultfd) that reading them never ends: then it has none.
func readEnviron(path string) []byte {
	select {
	case environs <- struct{}{}:
	default:
		return nil
	}
	ch := make(chan []byte, 1)
	go func() {
		defer func() { <-environs }()
		ch <- readSome(path, maxEnviron)
	}()
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case b := <-ch:
		return b
	case <-t.C:
		return nil
	}
}
