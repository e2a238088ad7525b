package clients

import (
	"errors"
	"testing"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// TestSessionOfACommandOutlastsItsRequests sets the inactivity timeout to 0: other
// sessions end with their request, and so cannot have a transaction.
func TestSessionOfACommandOutlastsItsRequests(t *testing.T) {
	r, c := inMemory(t, func(l *api.Limits) { l.InactivityTimeout = 0 })
	request := func(handle string, want error) error {
		t.Helper()
		l, err := r.Use(handle, alice.Key)
		if !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
		if err != nil {
			return nil
		}
		defer l.Release()
		return l.MayBegin()
	}
	_, other := create(t, r, alice, Request{})
	if err := request(other, nil); !errors.Is(err, ErrOneRequest) {
		t.Error(err)
	}
	_ = request(other, ErrExpired)

	_, command := create(t, r, alice, Request{Kind: api.KindCommand})
	for range 3 {
		if err := request(command, nil); err != nil {
			t.Error(err)
		}
		c.advance(unusedGrace - time.Second)
	}
	c.advance(time.Second) // its command was killed
	_ = request(command, ErrExpired)

	l, err := r.Default(alice)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	if err := l.MayBegin(); !errors.Is(err, ErrOneRequest) {
		t.Error(err)
	}
}
