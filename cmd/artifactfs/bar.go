package main

import (
	"io"
	"time"

	bars "github.com/jedib0t/go-pretty/v6/progress"
)

// bar shows a person at a terminal how much of something has come, how fast, and how
// long the rest will take. On anything else it says nothing.
type bar struct {
	w     bars.Writer // nil: it shows nothing
	t     *bars.Tracker
	ended chan struct{}
}

func startBar(to io.Writer, what string) *bar {
	if !onTerminal(to) {
		return &bar{}
	}
	w := bars.NewWriter()
	w.SetOutputWriter(to)
	w.SetUpdateFrequency(200 * time.Millisecond)
	w.SetTerminalWidth(width(to))
	w.SetMessageLength(min(40, max(width(to)-70, 12)))
	w.SetTrackerLength(20)
	w.SetTrackerPosition(bars.PositionRight)
	look := w.Style()
	look.Visibility.ETA, look.Visibility.Speed = true, true
	look.Options.Separator, look.Options.PercentFormat = " ", "%3.0f%%"
	look.Options.TimeInProgressPrecision, look.Options.SpeedPrecision = time.Second, 100*time.Millisecond
	b := &bar{w: w, t: &bars.Tracker{Message: what, Units: bars.UnitsBytes, RemoveOnCompletion: true, AutoStopDisabled: true}, ended: make(chan struct{})}
	w.AppendTracker(b.t)
	go func() {
		defer close(b.ended)
		w.Render()
	}()
	return b
}

// show says what is there now. Without a total it moves, and says that it goes on.
func (b *bar) show(what string, value, total int64) {
	if b.w == nil {
		return
	}
	b.t.UpdateMessage(clean(what))
	b.t.UpdateTotal(total)
	b.t.SetValue(min(value, total))
}

// end takes it away.
func (b *bar) end() {
	if b.w == nil {
		return
	}
	b.t.MarkAsDone()
	b.w.Stop()
	<-b.ended
}

// rate is how fast so many bytes have come.
func rate(bytes int64, seconds float64) string {
	return bars.FormatBytes(int64(float64(bytes)/seconds)) + "/s"
}
