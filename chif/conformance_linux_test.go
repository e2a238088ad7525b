package chif_test

import (
	"path/filepath"
	"testing"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
)

func TestConformancePacketSocket(t *testing.T) {
	s := chiftest.New(t, chiftest.Options{Handler: newRedfish(t)})
	path := filepath.Join(t.TempDir(), "chif")
	if err := s.ListenUnix(path); err != nil {
		t.Fatal(err)
	}
	dev, err := chif.ParseDevice("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	chiftest.Conformance(t, dev, chiftest.Client{Transport: inProcess{s.Control()}})
}
