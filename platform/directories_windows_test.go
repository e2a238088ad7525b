package platform

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows"
)

func TestDirectories(t *testing.T) {
	t.Setenv("ProgramData", `D:\planted`)
	if d := DefaultDirectories(); !filepath.IsAbs(d.Config) || filepath.Base(d.Config) != "ilod" || filepath.VolumeName(d.Config) == "D:" ||
		d.State != filepath.Join(d.Config, "state") || d.Runtime != filepath.Join(d.Config, "run") {
		t.Errorf("%+v", d)
	}
}

func TestMakeDirectory(t *testing.T) {
	base, err := os.MkdirTemp("", "") // t.TempDir fails under Wine
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(base, "b", "c")
	for range 2 {
		if err := makeDirectory(dir); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		if err := makeDirectory(path); err == nil {
			t.Errorf("%s is no error", path)
		}
	}
	if err := makeDirectory(DefaultDirectories().State); err != nil { // with repair
		t.Error(err)
	}
	for _, path := range []string{file, filepath.Join(dir, "none"), filepath.Join(base, "none", "none")} {
		if err := Trust(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	remove(t, file, dir, filepath.Dir(dir), base)
}

func remove(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
}

// TestOurs has descriptors of its own, since Wine gives each file to its one user.
func TestOurs(t *testing.T) {
	own, err := ownSID()
	if err != nil {
		t.Fatal(err)
	}
	for sddl, want := range map[string]error{
		"O:SY": nil, "O:BA": nil, "O:" + own.String(): nil, "O:BU": ErrNotOurs, "O:WD": ErrNotOurs, "O:S-1-5-21-1-2-3-1001": ErrNotOurs,
	} {
		sd, err := windows.SecurityDescriptorFromString(sddl)
		if err != nil {
			t.Fatal(err)
		}
		if err := ours(sd); !errors.Is(err, want) {
			t.Errorf("%s: %v", sddl, err)
		}
	}
	private, err := privateSD("OICI", "(A;;GR;;;BU)")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := private.String(), "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;;GR;;;BU)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSealing(t *testing.T) {
	seal, unseal := Sealing()
	for _, plain := range []string{"", "f0e1d2c3b4a5968778695a4b3c2d1e0f"} {
		box, err := seal([]byte(plain))
		if err != nil {
			t.Fatal(err)
		}
		if plain != "" && bytes.Contains(box, []byte(plain)) {
			t.Error("the sealed form shows what it seals")
		}
		if got, err := unseal(box); string(got) != plain || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if got, err := unseal([]byte("not sealed")); err == nil {
		t.Errorf("what is not sealed is %q", got)
	}
}
