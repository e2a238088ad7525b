package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestInspect(t *testing.T) {
	o := diskOptions(t, filepath.Join(t.TempDir(), "cache"))
	if _, err := Inspect(o.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	s := open(t, o)
	if _, err := Inspect(o.Dir); !errors.Is(err, ErrUnclean) {
		t.Errorf("in use: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if size, err := Inspect(o.Dir); err != nil || size == 0 {
		t.Errorf("closed: %d bytes, %v", size, err)
	}
	d := directory(o.Dir)
	closed := d.state()
	for state, want := range map[string]error{stateOpening: errOpening, "": errChanged, closed + "0": errChanged} {
		if err := d.setState(state); err != nil {
			t.Fatal(err)
		}
		if _, err := Inspect(o.Dir); !errors.Is(err, want) {
			t.Errorf("state %q: %v", state, err)
		}
		if left, err := os.ReadFile(d.stateFile()); string(left) != state {
			t.Errorf("state %q became %q, %v", state, left, err)
		}
	}
}
