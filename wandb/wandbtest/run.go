package wandbtest

import "strconv"

type run struct {
	w                *world
	ID               id
	Name             string
	DisplayName      *string
	Description      *string
	JobType          *string
	State            *string
	SweepName        *string
	HistoryLineCount *int32
	EventsLineCount  *int32
	LogLineCount     *int32
	CreatedAt        dateTime
	HeartbeatAt      *dateTime
	UpdatedAt        *dateTime
	SystemMetrics    *jsonString
	HistoryTail      *jsonString
	EventsTail       *jsonString
	HistoryKeys      *jsonValue
	Tags             *[]string
	Group            *string
	Commit           *string
	Notes            *string
	ReadOnly         *bool
	Stopped          *bool

	exitCode        *int
	config, summary *jsonString
	proj            *project
	creator         *user
	files           []string
	inputs          []*use
	outputs         []*artifact
}

// use is a run's use of an artifact.
type use struct {
	art *artifact
	run *run
	as  []string
}

type keysArgs struct {
	Keys        *[]string
	PackVersion *int32
}

func (r *run) Config(keysArgs) *jsonString { return r.config }

func (r *run) SummaryMetrics(keysArgs) *jsonString { return r.summary }

func (r *run) WandbConfig(keysArgs) *jsonString { return ptr(jsonString("{}")) }

func (r *run) Project() *project { return r.proj }

func (r *run) User() *user { return r.creator }

func (r *run) FileCount() *int32 { return ptr(int32(len(r.files))) }

// ProjectID is the project's number in decimal: the SDK calls int() on it.
func (r *run) ProjectID() *id {
	return ptr(id(strconv.Itoa(r.proj.number)))
}

func (r *run) Files(args struct {
	Names         *[]*string
	Pattern       *string
	After, Before *string
	First, Last   *int32
}) (*fileConnection, error) {
	var all []*file
	for _, name := range r.files {
		all = append(all, r.file(name, false))
	}
	return pageFiles(all, listArgs{After: args.After, Before: args.Before, First: args.First, Last: args.Last})
}

// file is a file of the run, not of an artifact: config.yaml, output.log.
func (r *run) file(name string, upload bool) *file {
	return r.w.file(name, "run/"+string(r.ID)+"/"+name, upload, nil)
}

func (r *run) InputArtifacts(args listArgs) (*connection[*artifact], error) {
	all := []*edge[*artifact]{}
	for _, u := range r.inputs {
		all = append(all, &edge[*artifact]{Node: u.art, UsedAs: u.as})
	}
	return page(all, args)
}

func (r *run) OutputArtifacts(args listArgs) (*connection[*artifact], error) {
	return pageOf(r.outputs, args)
}

// initiator is who made an artifact.
type initiator struct {
	run  *run
	user *user
}

func (i *initiator) ToRun() (*run, bool) { return i.run, i.run != nil }

func (i *initiator) ToUser() (*user, bool) { return i.user, i.user != nil }
