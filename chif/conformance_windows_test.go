package chif_test

import (
	"os"
	"testing"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
)

// standIn is the device of a library for tests; chif/chiftest/wine builds it.
func standIn(t *testing.T) chif.Device {
	t.Helper()
	path := os.Getenv("ILOD_TEST_DLL")
	if path == "" {
		t.Skip("needs the stand-in for HPE's library: run 'make test-windows'")
	}
	dev, err := chif.ParseDevice("dll:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return dev
}

func TestConformanceLibrary(t *testing.T) {
	dev := standIn(t)
	s := chiftest.New(t, chiftest.Options{Handler: newRedfish(t)})
	addr, err := s.ListenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("ILOD_TEST_CHIF", addr.String())
	chiftest.Conformance(t, dev, chiftest.Client{Transport: inProcess{s.Control()}})
}
