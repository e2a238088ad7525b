package chiftest

import (
	"testing"

	"github.com/ilod/ilod/chif"
)

// NewTransport is chif.NewTransport for a test: an error ends it. The caller must Close the Transport.
func NewTransport(tb testing.TB, d chif.Device, o chif.TransportOptions) *chif.Transport {
	tb.Helper()
	t, err := chif.NewTransport(d, o)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}
