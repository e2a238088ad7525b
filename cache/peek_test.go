package cache

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestPeek(t *testing.T) {
	o := diskOptions(t, filepath.Join(t.TempDir(), "cache"))
	nothing := func(func(string) ([]byte, error)) error {
		t.Error("it was read")
		return nil
	}
	if err := Peek(o.Dir, nothing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	s := open(t, o)
	key, want := "/peek", document("/peek", 1)
	if err := s.Put(key, want); err != nil {
		t.Fatal(err)
	}
	if err := Peek(o.Dir, nothing); !errors.Is(err, errInUse) {
		t.Errorf("in use: %v", err)
	}
	closeStore(t, s)

	files := func() (all []string) {
		t.Helper()
		entries, err := filepath.Glob(filepath.Join(o.Dir, "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range append(entries, directory(o.Dir).stateFile()) {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, name, string(content))
		}
		return all
	}
	before := files()
	sentinel := errors.New("of the reader")
	if err := Peek(o.Dir, func(get func(string) ([]byte, error)) error {
		if got, err := get(key); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if _, err := get("/absent"); !errors.Is(err, errDamaged) {
			t.Errorf("absent: %v", err)
		}
		return sentinel
	}); !errors.Is(err, sentinel) {
		t.Error(err)
	}
	after := files()
	if len(before) != len(after) {
		t.Fatalf("%d files became %d", len(before)/2, len(after)/2)
	}
	for i := range before {
		if before[i] != after[i] {
			t.Errorf("%s was changed", before[i&^1])
		}
	}

	if err := directory(o.Dir).setState(stateOpen); err != nil {
		t.Fatal(err)
	}
	if err := Peek(o.Dir, nothing); !errors.Is(err, errChanged) {
		t.Errorf("not closed: %v", err)
	}
}
