package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/list"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// printJSON prints v as one indented document.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// onTerminal says whether w is a person's screen.
func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// width is the terminal's, or 0 where it is none.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return n
}

// field is a line of a panel or a record.
type field struct{ Key, Value string }

// section is a group of lines in a panel.
type section struct {
	Title  string
	Fields []field
}

// panel prints sections as upstream prints a job's submission: a tree in a box.
// Off a terminal it is one "key<TAB>value" line per field.
func panel(w io.Writer, title string, sections []section) {
	if !onTerminal(w) {
		for _, s := range sections {
			for _, f := range s.Fields {
				fmt.Fprintf(w, "%s\t%s\n", strings.TrimPrefix(s.Title+"."+f.Key, "."), clean(f.Value))
			}
		}
		return
	}
	l := list.NewWriter()
	l.SetStyle(list.StyleConnectedLight)
	for _, s := range sections {
		if s.Title != "" && len(s.Fields) > 0 {
			l.AppendItem(s.Title)
			l.Indent()
		}
		pad := 0
		for _, f := range s.Fields {
			pad = max(pad, len(f.Key)+1)
		}
		for _, f := range s.Fields {
			l.AppendItem(fmt.Sprintf("%-*s %s", pad, f.Key+":", clean(f.Value)))
		}
		if s.Title != "" && len(s.Fields) > 0 {
			l.UnIndent()
		}
	}
	box(w, title, strings.Split(l.Render(), "\n"))
}

// box draws lines in a frame with the title in its upper edge, as upstream's
// panels have it. A line that is too long for the terminal goes on in the next:
// paths are there to be read whole.
func box(w io.Writer, title string, lines []string) {
	title = clean(title)
	inner := text.StringWidth(title) + 4
	for _, l := range lines {
		inner = max(inner, text.StringWidth(l))
	}
	if n := width(w); n > 20 {
		inner = min(inner, n-4)
	}
	title = text.Trim(title, max(0, inner-4))
	fmt.Fprintf(w, "╭── %s %s╮\n", title, strings.Repeat("─", max(0, inner-text.StringWidth(title)-2)))
	for _, l := range lines {
		for part := range strings.SplitSeq(text.WrapHard(l, inner), "\n") {
			fmt.Fprintf(w, "│ %s │\n", text.Pad(part, inner, ' '))
		}
	}
	fmt.Fprintf(w, "╰%s╯\n", strings.Repeat("─", inner+2))
}

// grid prints rows: a table with a header on a terminal, tab-separated lines
// without one elsewhere.
func grid(w io.Writer, header []string, rows [][]string) {
	if !onTerminal(w) {
		for _, r := range rows {
			for i := range r {
				r[i] = clean(r[i])
			}
			fmt.Fprintln(w, strings.Join(r, "\t"))
		}
		return
	}
	t := table.NewWriter()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft = ""
	t.SetStyle(style)
	h := table.Row{}
	for _, c := range header {
		h = append(h, c)
	}
	t.AppendHeader(h)
	for _, r := range rows {
		row := table.Row{}
		for _, c := range r {
			row = append(row, clean(c))
		}
		t.AppendRow(row)
	}
	fmt.Fprintln(w, t.Render())
}

// clean keeps what others named from moving the cursor, breaking lines, or
// turning the direction of the text.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
