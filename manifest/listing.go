package manifest

import "time"

// Listing is what a store knows of one artifact. It is shared: not to be changed.
type Listing struct {
	Versions []int          // complete and not retired, ascending
	Claimed  []int          // every number that is taken, whatever lies there, ascending
	Latest   int            // NoVersion: there is none
	Aliases  map[string]int // without latest
	// Foreign are aliases, latest among them, of versions that have no number here:
	// those of another backend.
	Foreign map[string]Target
	Retired []int  // hidden from Versions, still readable by number
	Warning string // in words: for instance, latest names a version that does not exist
	ModTime time.Time
	// Silent is why a backend was left out that did not answer: what is not listed may
	// be there.
	Silent error
}

// NoVersion stands for a version where there is none: v0 is one, W&B's first.
const NoVersion = -1

// Alias returns the version that latest or another alias names.
func (l *Listing) Alias(alias string) (int, bool) {
	if alias == Latest {
		return l.Latest, l.Latest != NoVersion
	}
	n, ok := l.Aliases[alias]
	return n, ok
}
