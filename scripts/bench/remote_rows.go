//go:build linux

package main

// rowNowhere is of plain GETs alone.
const rowNowhere = "16 GETs of 8 MiB, to nowhere"

// coldOfNowhere is what a cold read is held to beside plain GETs that keep nothing: 1000 MiB/s where those bring 2700.
const coldOfNowhere = 1000. / 2700

// remoteRows says of each row its unit, and what artifactfs is held to: against the plain GETs, or by itself.
var remoteRows = []struct {
	name, unit  string
	plain, slow limit
}{
	{rowNowhere, "B/s", limit{}, limit{}},
	{rowCold, "B/s", limit{atLeast: 0.9}, limit{atLeast: 0.95}},
	{rowFour, "B/s", limit{}, limit{}},
	{rowFirst, "s", limit{}, limit{atMost: 0.030, absolute: true}},
	{rowMedium, "B/s", limit{}, limit{atLeast: 60 << 20, absolute: true}},
	{rowSmall, "/s", limit{}, limit{atLeast: 300, absolute: true}},
	{rowRandom, "B/s", limit{}, limit{}},
	{rowOver, "B", limit{}, limit{atMost: 1.5, absolute: true}},
	{rowSecond, "B/s", limit{atLeast: 0.95}, limit{atLeast: 0.95}},
	{rowRemounted, "B/s", limit{atLeast: 0.95}, limit{atLeast: 0.95}},
	{rowListCold, "s", limit{}, limit{}},
	{rowListWarm, "s", limit{}, limit{}},
	{rowCPU, "s/GiB", limit{}, limit{}},
	{rowPeak, "MiB", limit{atMost: 64 + 64, absolute: true}, limit{atMost: 64 + 64, absolute: true}}, // 64 are the cache's buffers
}

// rows adds a link's rows: each client beside the plain GETs, and artifactfs beside the best peer.
func (r *remoteBench) rows(l link, names []string, all map[string][]shots, t *table) {
	for _, row := range remoteRows {
		name := l.name + ": " + row.name
		native, _ := rowMedian(all["limit"], row.name)
		if row.name == rowNowhere {
			t.add(name, "limit", row.unit, 0, native, limit{})
			if own, ok := rowMedian(all[names[1]], rowCold); ok && l.name == "plain" {
				t.add(l.name+": sequential, cold, beside those GETs", names[1], row.unit, native, own, limit{atLeast: coldOfNowhere})
			}
			continue
		}
		best, bestName := 0.0, ""
		for _, c := range names[1:] {
			v, ok := rowMedian(all[c], row.name)
			if !ok {
				continue
			}
			target := limit{}
			if c == names[1] {
				target = map[string]limit{"plain": row.plain, "slow": row.slow}[l.name]
			} else if bestName == "" || (v > best) == rate(row.unit) {
				best, bestName = v, c
			}
			t.add(name, c, row.unit, native, v, target)
		}
		own, ok := rowMedian(all[names[1]], row.name)
		if bestName == "" || !ok || row.name == rowPeak { // the cache's buffers are within what is promised
			continue
		}
		ahead := limit{atMost: 1}
		if rate(row.unit) {
			ahead = limit{atLeast: 1}
		}
		t.add(name, "/"+bestName, row.unit, best, own, ahead)
	}
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
