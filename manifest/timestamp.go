package manifest

import (
	"strings"
	"time"
)

// timestamps are the layouts of ISO 8601 that Python's fromisoformat reads, with
// any fraction of a second, and pydantic's datetime but for its plain numbers.
var timestamps = func() (layouts []string) {
	add := func(date string, times, zones []string) {
		layouts = append(layouts, date)
		for _, clock := range times {
			for _, zone := range zones {
				layouts = append(layouts, date+"T"+clock+zone)
			}
		}
	}
	zones := []string{"", "Z07:00", "Z0700", "Z07", "Z07:00:00"}
	add("2006-01-02", []string{"15:04:05", "15:04", "15"}, zones)
	add("20060102", []string{"150405", "1504", "15:04:05", "15"}, zones)
	return layouts
}()

// badTimestamp says why s is no point in time, or "". It is recorded as it came:
// upstream's field is a string, and its readers sort by it.
func badTimestamp(s string) string {
	norm := s
	for _, date := range []int{len("2006-01-02"), len("20060102")} {
		if len(s) > date && strings.ContainsRune("Tt ", rune(s[date])) {
			norm = s[:date] + "T" + strings.TrimSuffix(s[date+1:], "z")
			if strings.HasSuffix(s, "z") {
				norm += "Z"
			}
			break
		}
	}
	for _, layout := range timestamps {
		if t, err := time.Parse(layout, norm); err == nil && t.Year() > 0 {
			return ""
		}
	}
	return quote(clip(s)) + " is no time as ISO 8601 has it, such as 2026-08-21T09:00:00.125000+00:00; leave it out for now"
}
