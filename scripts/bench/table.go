//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A row is one measurement of one lane beside the native one. Better is more for a rate, less for a time or an amount.
type row struct {
	Name   string
	Lane   string
	Unit   string
	Native float64
	Value  float64
	Target string // as written in the table, "" for none
	OK     *bool  `json:",omitempty"`
}

// A limit is a target on a ratio to native, or, with absolute, on the value itself.
type limit struct {
	atLeast, atMost float64
	absolute        bool
}

type table struct {
	raw  string
	rows []row
}

func (t *table) head(what string) {
	fmt.Printf("%s\n\n%-58s %-14s %14s %14s %8s  %-10s %s\n", what, "measured", "lane", "native", "lane", "ratio", "target", "")
	t.write("machine.txt", []byte(what+"\n"))
}

// ratio adds a row. For a time, unit "s", the ratio is how many times as long; for a rate, how many times as fast.
func (t *table) add(name, lane, unit string, native, value float64, l limit) {
	r := row{Name: name, Lane: lane, Unit: unit, Native: native, Value: value}
	ratio, judged := 0.0, value
	if native != 0 {
		ratio = value / native
	}
	if !l.absolute {
		judged = ratio
	}
	suffix := "×"
	if l.absolute {
		suffix = " " + unit
	}
	switch {
	case l.atLeast > 0:
		r.Target = fmt.Sprintf("≥%.3g%s", l.atLeast, suffix)
		r.OK = pointer(judged >= l.atLeast)
	case l.atMost > 0:
		r.Target = fmt.Sprintf("≤%g%s", l.atMost, suffix)
		r.OK = pointer(judged <= l.atMost)
	}
	t.rows = append(t.rows, r)
	t.print(r, ratio)
}

func (t *table) print(r row, ratio float64) {
	word := ""
	if r.OK != nil {
		word = map[bool]string{true: "ok", false: "short"}[*r.OK]
	}
	native, times := "–", "–"
	if r.Native != 0 {
		native, times = number(r.Native, r.Unit), fmt.Sprintf("%.2f×", ratio)
		if ratio < 0.1 {
			times = fmt.Sprintf("%.2g×", ratio)
		}
	}
	fmt.Printf("%-58s %-14s %14s %14s %8s  %-10s %s\n", r.Name, r.Lane, native, number(r.Value, r.Unit), times, r.Target, word)
}

func (t *table) foot() {
	text, _ := json.MarshalIndent(t.rows, "", "  ")
	t.write("rows.json", append(text, '\n'))
	short := slices.DeleteFunc(slices.Clone(t.rows), func(r row) bool { return r.OK == nil || *r.OK })
	fmt.Printf("\n%d rows, %d short of their target; raw output in %s\n", len(t.rows), len(short), t.raw)
}

func (t *table) write(name string, text []byte) {
	if err := os.WriteFile(filepath.Join(t.raw, name), text, 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "bench: raw output:", err)
	}
}

func number(v float64, unit string) string {
	switch {
	case unit == "s" && v < 1:
		return fmt.Sprintf("%.2f ms", v*1000)
	case unit == "B/s":
		return fmt.Sprintf("%.0f MiB/s", v/(1<<20))
	case unit == "/s":
		return fmt.Sprintf("%.0f /s", v)
	}
	return strings.TrimSpace(fmt.Sprintf("%.2f %s", v, unit))
}

func median(values []float64) float64 { return percentile(values, 50) }

func percentile(values []float64, p int) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)*p/100]
}

func pointer[T any](v T) *T { return &v }
