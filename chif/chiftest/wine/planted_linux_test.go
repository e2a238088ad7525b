package wine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ilod/ilod/chif/chiftest"
)

// names are those under which the library is looked for.
var names = []string{"ilorest_chif.dll", "hprest_chif.dll", "cpqci.dll"}

// plant puts libraries into dir that leave a file when they are loaded, and
// returns a function that counts these files.
func (h *host) plant(dir string) (loaded func() int) {
	h.t.Helper()
	for _, name := range names {
		h.copied(filepath.Join(work, "planted.dll"), dir, name)
	}
	return func() int {
		found, err := filepath.Glob(filepath.Join(dir, "*.loaded"))
		if err != nil {
			h.t.Fatal(err)
		}
		return len(found)
	}
}

// refused checks that no library was found.
func (h *host) refused(o outcome) {
	h.t.Helper()
	if o.code != 34 || o.stdout != "" {
		h.t.Error(o)
	}
}

// TestPlantedLibraries: libraries in the current directory, in one of PATH and
// beside a script that calls ilod are never loaded.
func TestPlantedLibraries(t *testing.T) {
	h := newHost(t, chiftest.Options{})
	current := h.plant(h.dir)
	path := t.TempDir()
	inPath := h.plant(path)
	beside := t.TempDir()
	besideScript := h.plant(beside)
	script := filepath.Join(beside, "script.cmd")
	if err := os.WriteFile(script, []byte("@\""+windows(h.exe)+"\" get /redfish/v1/\r\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	h.env = append(h.env, "ILOD_DEVICE=auto", "WINEPATH="+windows(path)) // which Wine puts into PATH
	h.refused(h.ilod("get", "/redfish/v1/"))
	_, wait := h.start("cmd", "/c", windows(script))
	h.refused(wait())
	for _, name := range names {
		if o := h.ilod("--device=dll:"+name, "get", "/redfish/v1/"); o.code != 2 {
			t.Error(o)
		}
	}
	if current()+inPath()+besideScript() > 0 {
		t.Errorf("loaded: %d from the current directory, %d from PATH, %d from beside the script", current(), inPath(), besideScript())
	}
	// Where the program's directory is the current one, they are loaded; what has
	// none of the functions is not used.
	h.exe = h.copied(h.exe, h.dir, "ilod.exe")
	h.refused(h.ilod("get", "/redfish/v1/"))
	if current() != len(names) {
		t.Errorf("%d are loaded from the program's directory", current())
	}
}

// TestFoundLibrary: the library is found beside the program, in the directory of
// HPE's installer and in System32, and under each name that it has had.
func TestFoundLibrary(t *testing.T) {
	drive := filepath.Join(os.Getenv("WINEPREFIX"), "drive_c")
	program := t.TempDir()
	for dir, name := range map[string]string{
		program: names[1],
		filepath.Join(drive, "Program Files", "Hewlett Packard Enterprise", "RESTful Interface Tool"): names[0],
		filepath.Join(drive, "windows", "system32"):                                                   names[2],
	} {
		h := newHost(t, chiftest.Options{})
		h.env = append(h.env, "ILOD_DEVICE=auto")
		h.exe = h.copied(h.exe, program, "ilod.exe")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		library := h.copied(filepath.Join(work, "ilorest_chif.dll"), dir, name)
		if o := h.ilod("get", "/redfish/v1/"); o.code != 0 {
			t.Errorf("%s: %v", library, o)
		}
		if err := os.Remove(library); err != nil {
			t.Error(err)
		}
	}
}
