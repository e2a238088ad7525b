package agent

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestStopsInOppositeOrder(t *testing.T) {
	l := newLifecycle(t.Context())
	var done []string
	broken := errors.New("broken")
	for _, s := range []struct {
		what string
		do   func() error
	}{
		{"first", func() error { return nil }},
		{"second", func() error { return broken }},
		{"third", func() error { panic("oh") }},
		{"fourth", func() error { return nil }},
	} {
		l.onStop(s.what, func() error { done = append(done, s.what); return s.do() })
	}
	err := l.stop()
	if want := []string{"fourth", "third", "second", "first"}; !slices.Equal(done, want) {
		t.Errorf("%v, want %v", done, want)
	}
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "third: panic: oh") || !strings.Contains(err.Error(), "second: broken") {
		t.Errorf("%v", err)
	}
	if err := l.stop(); err != nil || len(done) != 4 {
		t.Errorf("once more: %v, %v", err, done)
	}
}

func TestSpawn(t *testing.T) {
	for name, f := range map[string]func(context.Context) error{
		"error": func(context.Context) error { return errors.New("bad luck") },
		"panic": func(context.Context) error { panic("bad luck") },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLifecycle(t.Context())
			ended := false
			l.spawn("other", func(ctx context.Context) error {
				<-ctx.Done()
				ended = true
				return context.Cause(ctx) // no failure of its own
			})
			l.spawn("task", f)
			<-l.running.Done()
			if cause := context.Cause(l.running); !strings.Contains(cause.Error(), "bad luck") {
				t.Errorf("cause %v", cause)
			}
			if err := l.stopTasks(); err == nil || !strings.Contains(err.Error(), "task: ") || !strings.Contains(err.Error(), "bad luck") {
				t.Errorf("%v", err)
			}
			if !ended {
				t.Error("the other one still runs")
			}
		})
	}
}

func TestStopTasks(t *testing.T) {
	l := newLifecycle(t.Context())
	l.spawn("task", func(ctx context.Context) error {
		<-ctx.Done()
		return context.Cause(ctx)
	})
	if err := l.stopTasks(); err != nil {
		t.Errorf("being stopped is no failure: %v", err)
	}
}
