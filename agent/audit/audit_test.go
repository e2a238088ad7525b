package audit

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/ilod/ilod/agent/api"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func made(i int) api.SessionEvent {
	return api.SessionEvent{Time: noon.Add(time.Duration(i) * time.Second), Event: api.SessionMade, Session: fmt.Sprint("ilod-", i), User: "alice", Sessions: i + 1}
}

// TestTheLastEventsAreKept: a hundred, oldest first, whatever came before.
func TestTheLastEventsAreKept(t *testing.T) {
	l := New(nil)
	for i := range 250 {
		l.Add(made(i))
		if n := len(l.Events()); n != min(i+1, 100) {
			t.Fatalf("%d events after %d", n, i+1)
		}
	}
	var want []api.SessionEvent
	for i := 150; i < 250; i++ {
		want = append(want, made(i))
	}
	if diff := cmp.Diff(want, l.Events()); diff != "" {
		t.Error(diff)
	}
	(*Log)(nil).Add(made(1))
	if all := (*Log)(nil).Events(); len(all) != 0 {
		t.Error(all)
	}
}

// TestEachEventIsALine with its fields, and with how many sessions the user has.
func TestEachEventIsALine(t *testing.T) {
	logger, log := logtest.NewNullLogger()
	l := New(logger)
	l.Add(api.SessionEvent{Event: api.SessionMade, Session: "ilod-1", Owner: "uid:1000", User: "alice", By: "alice", From: "bash (7)", Sessions: 3})
	l.Add(api.SessionEvent{Event: api.SessionTerminated, ILO: true, Session: "admin01", By: "root", Why: "to make room"})
	l.Add(api.SessionEvent{Event: api.LimitSet, Limit: "maxSessions", Old: "8", New: "9", By: "root"})
	var got []string
	for _, e := range log.AllEntries() {
		got = append(got, fmt.Sprint(e.Level, " ", e.Message, " ", map[string]any(e.Data)))
	}
	if diff := cmp.Diff([]string{
		"info client session made; user alice has 3 sessions map[by:alice event:made from:bash (7) owner:uid:1000 session:ilod-1 sessions:3 user:alice]",
		"info iLO session terminated map[by:root event:terminated ilo:true session:admin01 why:to make room]",
		"info limit maxSessions set from 8 to 9 map[by:root event:limit-set limit:maxSessions new:9 old:8]",
	}, got); diff != "" {
		t.Error(diff)
	}
}

// TestWhatAClientRepeatsFillsNeitherLogNorMemory: the same refusal is one line and one
// event with a count, until a minute is over; another one is another event.
func TestWhatAClientRepeatsFillsNeitherLogNorMemory(t *testing.T) {
	logger, log := logtest.NewNullLogger()
	l := New(logger)
	late := api.SessionEvent{Time: noon, Event: api.SessionUsedLate, Session: "ilod-1", By: "alice", Why: "it has expired"}
	l.Add(made(1))
	for i := range 1000 {
		late.From = fmt.Sprintf("ilod (%d)", i) // each command is a process of its own
		l.Add(late)
	}
	other := late
	other.Session = "ilod-2"
	l.Add(other)
	late.Time = noon.Add(again - 1)
	l.Add(late)
	events := l.Events()
	if len(events) != 3 || events[1].Times != 1001 || !events[1].Time.Equal(late.Time) || events[2].Times != 0 || len(log.AllEntries()) != 3 {
		t.Errorf("%d lines, %+v", len(log.AllEntries()), events)
	}
	late.Time = noon.Add(again)
	l.Add(late)
	if events := l.Events(); len(events) != 4 || events[3].Times != 0 || len(log.AllEntries()) != 4 || log.LastEntry().Data["moreBefore"] != 1 {
		t.Errorf("%v, %+v", log.LastEntry().Data, events)
	}
	// To make and to end sessions is not a repetition, but has a bound, too.
	for i := range maxLines + 50 {
		l.Add(api.SessionEvent{Time: noon.Add(2 * again), Event: api.SessionMade, Session: fmt.Sprint(i)})
	}
	if n := len(log.AllEntries()); n != 4+maxLines {
		t.Errorf("%d lines in a minute", n-4)
	}
	l.Add(api.SessionEvent{Time: noon.Add(3 * again), Event: api.SessionMade})
	if e := log.LastEntry(); e.Data["moreBefore"] != 50 || e.Level != logrus.InfoLevel {
		t.Errorf("%+v", e.Data)
	}
}
