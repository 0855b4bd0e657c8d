package manifest

import "time"

// Listing is what a store knows of one artifact. It is shared: not to be changed.
type Listing struct {
	Versions []int          // complete and not retired, ascending
	Claimed  []int          // every number that is taken, whatever lies there, ascending
	Latest   int            // 0: there is none
	Aliases  map[string]int // without latest
	Retired  []int          // hidden from Versions, still readable by number
	Warning  string         // in words: for instance, latest names a version that does not exist
	ModTime  time.Time
}
