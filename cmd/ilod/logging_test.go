package main

import (
	"io"
	"testing"

	"github.com/sirupsen/logrus"
)

func TestColours(t *testing.T) {
	for _, c := range []struct {
		term, noColor string
		without       bool
	}{{"xterm", "", false}, {"dumb", "", true}, {"xterm", "1", true}} {
		t.Setenv("TERM", c.term)
		t.Setenv("NO_COLOR", c.noColor)
		if text, ok := newLogger(io.Discard).Formatter.(*logrus.TextFormatter); !ok || text.DisableColors != c.without {
			t.Errorf("%+v: %+v", c, text)
		}
	}
}
