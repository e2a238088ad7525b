package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// progress is a line on a terminal that says how far something is and how long
// the rest may take, if the whole takes more than a second; elsewhere it is nothing.
type progress struct {
	w     io.Writer
	begun time.Time
	shown int // bytes of the line, 0 before there is one
}

func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &progress{w: w, begun: time.Now()}
	}
	return &progress{}
}

const barWidth = 40

func (p *progress) show(done, total int) {
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

func (p *progress) end() {
	if p.shown > 0 {
		fmt.Fprintln(p.w)
		p.shown = 0
	}
}

// watch shows how far something is, which look tells each second, until the function
// is called that it returns.
func (p *progress) watch(ctx context.Context, look func(context.Context) (done, total int)) (stop func()) {
	if p.w == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer p.end()
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Second):
			}
			done, total := look(ctx)
			p.show(done, total)
		}
	}()
	return func() {
		cancel()
		<-over
	}
}
