//go:build linux

package main

// rowNowhere is of plain GETs alone.
const rowNowhere = "16 GETs of 8 MiB, to nowhere"

// coldOfNowhere is what a cold read is held to beside plain GETs that keep nothing: 1000 MiB/s where those bring 2700.
const coldOfNowhere = 1000. / 2700

// coldOfBeside is what it is held to beside GETs into a file while another is read through FUSE.
const coldOfBeside = 0.9

// mostOver is how many bytes may be fetched for each that is read at random.
const mostOver = 1.5

// remoteRows says of each row its unit, and what artifactfs is held to: against the plain GETs, or by itself.
var remoteRows = []struct {
	name, unit  string
	plain, slow limit
}{
	{rowNowhere, "B/s", limit{}, limit{}},
	{rowCold, "B/s", limit{}, limit{atLeast: 0.95}},
	{rowFour, "B/s", limit{}, limit{}},
	{rowFirst, "s", limit{}, limit{atMost: 0.030, absolute: true}},
	{rowMedium, "B/s", limit{}, limit{atLeast: 60 << 20, absolute: true}},
	{rowSmall, "/s", limit{}, limit{atLeast: 300, absolute: true}},
	{rowRandom, "B/s", limit{}, limit{}},
	{rowOver, "B", limit{}, limit{atMost: mostOver, absolute: true}},
	{rowSecond, "B/s", limit{atLeast: 0.95}, limit{atLeast: 0.95}},
	{rowRemounted, "B/s", limit{atLeast: 0.95}, limit{atLeast: 0.95}},
	{rowListCold, "s", limit{}, limit{}},
	{rowListWarm, "s", limit{}, limit{}},
	{rowCPU, "s/GiB", limit{}, limit{}},
	{rowPeak, "MiB", limit{atMost: 64 + 64, absolute: true}, limit{atMost: 64 + 64, absolute: true}}, // 64 are the cache's buffers
}

// rows adds a link's rows: each client beside the plain GETs, and artifactfs beside the best peer on the same server.
func (r *remoteBench) rows(l link, all map[string][]shots, t *table) {
	for _, row := range remoteRows {
		name := l.name + ": " + row.name
		native, _ := rowMedian(all["limit"], row.name)
		if row.name == rowNowhere {
			t.add(name, "limit", row.unit, 0, native, limit{})
			r.besideGets(l, all, native, t)
			continue
		}
		for _, c := range r.clients {
			v, ok := rowMedian(all[c.name], row.name)
			if !ok {
				continue
			}
			beside, target := native, limit{}
			if row.name == rowSecond || row.name == rowRemounted {
				beside, _ = rowMedian(all[c.name], row.name+rowDisk)
			} else if c.gcs {
				beside = 0 // the GETs are from the other server
			}
			if c.start == nil {
				target = map[string]limit{"plain": row.plain, "slow": row.slow}[l.name]
			}
			if beside == 0 && !target.absolute {
				target = limit{}
			}
			t.add(name, c.name, row.unit, beside, v, target)
		}
		if row.name != rowPeak { // the cache's buffers are within what is promised
			r.besidePeers(name, row.name, row.unit, all, t)
		}
	}
}

// besideGets compares the cold read with GETs that keep nothing, and with those that write a file while another is read through FUSE: where processors are
// few, what that takes is there for every file system in user space that keeps what it reads.
func (r *remoteBench) besideGets(l link, all map[string][]shots, nowhere float64, t *table) {
	own := r.clients[0].name
	cold, ok := rowMedian(all[own], rowCold)
	if !ok || l.name != "plain" {
		return
	}
	t.add(l.name+": sequential, cold, beside those GETs", own, "B/s", nowhere, cold, limit{atLeast: coldOfNowhere})
	if floor, ok := rowMedian(all["limit"], rowBeside); ok {
		t.add(l.name+": "+rowBeside, "limit", "B/s", 0, floor, limit{})
		t.add(l.name+": sequential, cold, beside those", own, "B/s", floor, cold, limit{atLeast: coldOfBeside})
	}
}

// besidePeers compares artifactfs with the best peer on each server.
func (r *remoteBench) besidePeers(name, row, unit string, all map[string][]shots, t *table) {
	for _, own := range r.clients {
		v, ok := rowMedian(all[own.name], row)
		if !ok || own.start != nil {
			continue
		}
		best, unfair := rival{}, rival{}
		for _, c := range r.clients {
			v, ok := rowMedian(all[c.name], row)
			switch {
			case !ok || c.start == nil || c.gcs != own.gcs:
			case row == rowRandom && overReads(all[c.name]):
				unfair.beaten(c.name, v, unit)
			default:
				best.beaten(c.name, v, unit)
			}
		}
		ahead := limit{atMost: 1}
		if rate(unit) {
			ahead = limit{atLeast: 1}
		}
		if best.name != "" {
			t.add(name, own.short()+"/"+best.name, unit, best.value, v, ahead)
		}
		if unfair.name != "" {
			t.add(name+", fetching much more", own.short()+"/"+unfair.name, unit, unfair.value, v, limit{})
		}
	}
}

// A rival is the best peer so far.
type rival struct {
	name  string
	value float64
}

func (r *rival) beaten(name string, value float64, unit string) {
	if r.name == "" || (value > r.value) == rate(unit) {
		r.name, r.value = name, value
	}
}

// overReads reports whether a client fetches more for its random reads than is held to be right: one that fetches the whole of a small file has the rest
// of it sooner.
func overReads(all []shots) bool {
	over, ok := rowMedian(all, rowOver)
	return ok && over > mostOver
}

// rate reports whether more is better.
func rate(unit string) bool { return unit == "B/s" || unit == "/s" }

func rowMedian(all []shots, row string) (float64, bool) {
	var values []float64
	for _, s := range all {
		if v, ok := s[row]; ok {
			values = append(values, v)
		}
	}
	return median(values), len(values) > 0
}
