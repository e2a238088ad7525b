package terminal

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// Progress is a line on a terminal that says how far something is and how long
// the rest may take, if the whole takes more than a second. The zero value shows
// nothing.
type Progress struct {
	w     io.Writer
	begun time.Time
	shown int // bytes of the line, 0 before there is one
}

// NewProgress is what begins now, shown on w if that is a terminal.
func NewProgress(w io.Writer) *Progress {
	if Is(w) {
		return &Progress{w: w, begun: time.Now()}
	}
	return &Progress{}
}

const barWidth = 40

// Show says that so much of the total is done.
func (p *Progress) Show(done, total int) {
	took := time.Since(p.begun)
	if p.w == nil || done <= 0 || total <= 0 || took < time.Second {
		return
	}
	full := barWidth * min(done, total) / total
	left := (took * time.Duration(max(total-done, 0)) / time.Duration(done)).Round(time.Second)
	line := fmt.Sprintf("[%s%s] %d/%d, %v left  ", strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), done, total, left)
	fmt.Fprintf(p.w, "\r%-*s", p.shown, line) // over what is left of a longer one
	p.shown = len(line)
}

// End ends the line, if there is one.
func (p *Progress) End() {
	if p.shown > 0 {
		fmt.Fprintln(p.w)
		p.shown = 0
	}
}

// Watch shows how far something is, which look tells each second, until the function
// is called that it returns.
func (p *Progress) Watch(ctx context.Context, look func(context.Context) (done, total int)) (stop func()) {
	if p.w == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer p.End()
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Second):
			}
			done, total := look(ctx)
			p.Show(done, total)
		}
	}()
	return func() {
		cancel()
		<-over
	}
}
