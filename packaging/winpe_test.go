package packaging

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// exeLimit is how large ilod.exe may be, in bytes, and stateLimit what it may write
// in Windows PE, whose disk is in memory.
const (
	exeLimit   = 19_000_000
	stateLimit = 8 << 20
)

// bootWIM makes a file with two images, of which the first one is booted and has
// what Windows PE has where inject and its scripts look. The programs are stand-ins.
func bootWIM(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	tree, wim := filepath.Join(dir, "tree"), filepath.Join(dir, "boot.wim")
	system := filepath.Join(tree, "Windows/System32")
	put(t, filepath.Join(system, "drivers/etc/hosts"), "127.0.0.1 localhost\r\n")
	put(t, filepath.Join(system, "startnet.cmd"), "wpeinit\r\n")
	put(t, filepath.Join(tree, "ilod/kept.txt"), "somebody else's\r\n")
	for _, name := range []string{"kernel32.dll", "wpeinit.exe", "winpeshl.exe", "wpeutil.exe", "drvload.exe"} {
		run(t, "x86_64-w64-mingw32-gcc", "-O2", "-s", "-o", filepath.Join(system, name), "testdata/winpe/standin.c")
	}
	run(t, "wimlib-imagex", "capture", tree, wim, "Microsoft Windows PE (amd64)", "--boot", "--compress=LZX")
	run(t, "wimlib-imagex", "append", filepath.Join(tree, "ilod"), wim, "something else")
	return wim
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// driver is a directory that looks like HPE's driver.
func driver(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "x64/channel interface.INF"), "[Version]\r\n")
	put(t, filepath.Join(dir, "x64/channel.sys"), "none")
	return dir
}

// extracted is an image of a WIM as a directory.
func extracted(t *testing.T, wim string, paths ...string) string {
	t.Helper()
	dir := t.TempDir()
	run(t, "wimlib-imagex", append([]string{"extract", wim, "1", "--no-acls", "--dest-dir=" + dir}, paths...)...)
	return dir
}

// exe is ilod.exe as it is shipped, and library the stand-in for HPE's library.
func exe(t *testing.T) (exe, library string) {
	t.Helper()
	exe = "../build/dist/ilod-windows-amd64.exe"
	switch info, err := os.Stat(exe); {
	case err != nil:
		t.Fatalf("%v: run 'make test-windows'", err)
	case info.Size() > exeLimit:
		t.Errorf("%s has %d bytes, more than %d", exe, info.Size(), exeLimit)
	}
	return exe, filepath.Join(os.Getenv("ILOD_TEST_WINE"), "ilorest_chif.dll")
}

// TestWinPEInject: the image has what was put there and all that it had, can still
// be booted, and can be changed again.
func TestWinPEInject(t *testing.T) {
	needWine(t, "wimlib-imagex", "x86_64-w64-mingw32-gcc")
	exe, library := exe(t)
	wim := bootWIM(t)
	before, driver := extracted(t, wim), driver(t)
	for _, args := range [][]string{
		{"--dll", library, "--driver", driver, "--startnet", wim},
		{"--startnet", wim}, // a new version; the library stays
		{"--winpeshl", "--index", "1", wim},
	} {
		run(t, "winpe/inject", append([]string{"--exe", exe}, args...)...)
	}
	run(t, "wimlib-imagex", "verify", wim)
	info := run(t, "wimlib-imagex", "info", wim)
	for _, want := range []string{`Image Count: +2\n`, `Boot Index: +1\n`} {
		if !regexp.MustCompile(want).MatchString(info) {
			t.Errorf("no %q in %s", want, info)
		}
	}
	after := extracted(t, wim)
	for name, source := range map[string]string{
		"ilod/ilod.exe": exe, "ilod/ilorest_chif.dll": library, "ilod/ilod.toml": "winpe/ilod.toml", "ilod/ilod-batch.cmd": "winpe/ilod-batch.cmd",
		"ilod/deploy.ilod": "linuxpe/deploy.ilod", "ilod/driver/x64/channel interface.INF": driver + "/x64/channel interface.INF",
		"ilod/driver/x64/channel.sys": driver + "/x64/channel.sys", "Windows/System32/winpeshl.ini": "winpe/winpeshl.ini",
		"Windows/System32/startnet.cmd": "winpe/startnet.cmd",
	} {
		run(t, "cmp", source, filepath.Join(after, name))
		remove(t, filepath.Join(after, name))
	}
	run(t, "rm", "-r", after+"/ilod/driver", before+"/Windows/System32/startnet.cmd")
	run(t, "diff", "-r", before, after)
}

// TestWinPEOverlay: the directory for mkwinpeimg becomes the same image.
func TestWinPEOverlay(t *testing.T) {
	needWine(t, "mkwinpeimg", "wimlib-imagex", "x86_64-w64-mingw32-gcc")
	exe, library := exe(t)
	wim, dir := bootWIM(t), t.TempDir()
	run(t, "wimlib-imagex", "delete", wim, "2") // mkwinpeimg takes a file with one image
	overlay, made := filepath.Join(dir, "overlay"), filepath.Join(dir, "pe.wim")
	args := []string{"--exe", exe, "--dll", library, "--driver", driver(t), "--startnet"}
	run(t, "winpe/inject", append(args, "--overlay", overlay)...)
	put(t, filepath.Join(dir, "windows/sources/none"), "") // what is given by --wim is not looked for there
	run(t, "mkwinpeimg", "--only-wim", "--windows-dir="+dir+"/windows", "--wim="+wim, "--overlay="+overlay, made)
	run(t, "winpe/inject", append(args, wim)...)
	run(t, "diff", "-r", extracted(t, wim), extracted(t, made))
	if out, err := exec.Command("winpe/inject", append(args, "--overlay", overlay)...).CombinedOutput(); err == nil || !bytes.Contains(out, []byte("is not empty")) {
		t.Errorf("%v, %s", err, out)
	}
}

// TestWinPERefuse: what cannot be meant is an error that says why, and leaves the
// file as it was.
func TestWinPERefuse(t *testing.T) {
	needWine(t, "wimlib-imagex", "x86_64-w64-mingw32-gcc")
	exe, library := exe(t)
	wim, dir := bootWIM(t), t.TempDir()
	edit := func(command string) string {
		other := filepath.Join(t.TempDir(), "other.wim")
		run(t, "cp", wim, other)
		run(t, "wimlib-imagex", "update", other, "1", "--command="+command)
		return other
	}
	script := filepath.Join(dir, "script")
	put(t, script, "wpeinit\r\nX:\\mine.exe\r\n")
	put(t, filepath.Join(dir, "cpqci.dll"), "MZ"+strings.Repeat("\x00", 58)+"\x40\x00\x00\x00PE\x00\x00\x4c\x01") // of 32 bits
	for _, c := range []struct {
		why  string
		args []string
	}{
		{"usage:", nil},
		{"usage:", []string{wim, wim}},
		{"usage:", []string{wim, "--overlay", dir}},
		{"usage:", []string{"--quiet", wim}},
		{"usage:", []string{wim, "--dll"}},
		{"--index is for a WIM", []string{"--index", "1", "--overlay", dir + "/new"}},
		{"give --startnet or --winpeshl", []string{"--startnet", "--winpeshl", wim}},
		{"there is no " + dir + "/none", []string{"--dll", library, "--exe", dir + "/none", wim}},
		{"is not for Windows on x64", []string{"--dll", dir + "/cpqci.dll", wim}},
		{"is not for Windows on x64", []string{"--dll", library, "--exe", "winpe/inject", wim}},
		{"ilod looks for", []string{"--dll", exe, wim}},
		{"give --dll", []string{wim}},
		{"give --dll", []string{"--overlay", dir + "/new"}},
		{"has no .inf file", []string{"--dll", library, "--driver", "winpe", wim}},
		{"none", []string{"--dll", library, "--batch", dir + "/none", wim}},
		{"not a valid image", []string{"--dll", library, "--index", "3", wim}},
		{"not a number", []string{"--dll", library, "--index", "all", wim}},
		{"is not Windows PE", []string{"--dll", library, "--index", "2", wim}},
		{"is not Windows PE", []string{"--dll", library, edit("delete /Windows/System32/wpeinit.exe")}},
		{"reading header", []string{"--dll", library, script}},
		{"startnet.cmd of its own", []string{"--dll", library, "--startnet", edit("add " + script + " /Windows/System32/startnet.cmd")}},
		{"winpeshl.ini of its own", []string{"--dll", library, "--winpeshl", edit("add " + script + " /Windows/System32/winpeshl.ini")}},
		{"winpeshl.ini of its own", []string{"--dll", library, "--startnet", edit("add " + script + " /Windows/System32/winpeshl.ini")}},
	} {
		if !slices.Contains(c.args, "--exe") {
			c.args = append([]string{"--exe", exe}, c.args...)
		}
		present, _ := os.ReadFile(c.args[len(c.args)-1])
		said, err := exec.Command("winpe/inject", c.args...).CombinedOutput()
		if err == nil || !strings.Contains(string(said), c.why) {
			t.Errorf("%q: %v, %s; want %q", c.args, err, said, c.why)
		}
		if after, _ := os.ReadFile(c.args[len(c.args)-1]); !bytes.Equal(present, after) {
			t.Errorf("%q changed the file", c.args)
		}
	}
	if left, _ := filepath.Glob(wim + "?*"); left != nil {
		t.Errorf("left: %v", left)
	}
}

// relayed are functions whose calls Wine prints: those of the service manager and of
// the event log, and one that looks into the registry.
const relayed = "advapi32.OpenSCManagerW;advapi32.OpenServiceW;advapi32.StartServiceCtrlDispatcherW;" +
	"advapi32.RegisterEventSourceW;advapi32.ReportEventW;advapi32.RegOpenKeyExW"

// TestWinPEDeploy extracts what was put into an image, and starts it as Windows PE
// does: with its key of the registry, without services, and with no call to the
// service manager or to the event log. There is one login, no session left, and
// little on the disk.
func TestWinPEDeploy(t *testing.T) {
	needWine(t, "wimlib-imagex", "x86_64-w64-mingw32-gcc")
	exe, library := exe(t)
	for _, script := range []string{"startnet", "winpeshl"} {
		t.Run(script, func(t *testing.T) {
			wim := bootWIM(t)
			run(t, "winpe/inject", "--exe", exe, "--dll", library, "--driver", driver(t), "--"+script, wim)
			c := newComputer(t, redfish.Options{Generation: 5, Foreign: redfish.EveryKind()}, "WINEDLLOVERRIDES=mscoree,mshtml,services.exe=d")
			// Wine has %SystemDrive% at C:, wherever Windows PE has it.
			image := extracted(t, wim)
			run(t, "cp", "-r", image+"/ilod", c.drive)
			for _, name := range []string{"wpeinit.exe", "wpeutil.exe", "drvload.exe", "startnet.cmd"} {
				run(t, "cp", "--remove-destination", image+"/Windows/System32/"+name, c.drive+"/windows/system32/")
			}
			c.must("reg", "add", `HKLM\SYSTEM\CurrentControlSet\Control\MiniNT`, "/f")
			if said, code := c.run("net", "start"); code == 0 || !strings.Contains(said, "service control manager") {
				t.Errorf("there is a service manager: %d %s", code, said)
			}

			said, want := "", "drvload C:\\ilod\\driver\\x64\\channel interface.INF\r\n"
			if script == "startnet" {
				c.must("reg", "add", `HKCU\Software\Wine\Debug`, "/v", "RelayInclude", "/d", relayed, "/f")
				c.environ = append(c.environ, "WINEDEBUG=+relay")
				said, _ = c.run("cmd", "/c", "startnet.cmd")
				want = "wpeinit\r\n" + want + "wpeutil reboot\r\n"
				calls := regexp.MustCompile(`:Call advapi32\.\w+`).FindAllString(said, -1)
				slices.Sort(calls)
				if calls = slices.Compact(calls); !slices.Equal(calls, []string{":Call advapi32.RegOpenKeyExW"}) {
					t.Errorf("called: %q", calls)
				}
			} else {
				// The channel is there some time after its driver.
				remove(t, c.drive+"/ilod/ilorest_chif.dll")
				go func() {
					for c.t.Context().Err() == nil {
						if calls, _ := os.ReadFile(c.drive + "/calls.txt"); bytes.Contains(calls, []byte("drvload")) {
							time.Sleep(time.Second)
							_ = exec.Command("cp", library, c.drive+"/ilod/").Run()
							return
						}
						time.Sleep(50 * time.Millisecond)
					}
				}()
				// As winpeshl.exe does: one program after the other, a comma before its
				// arguments.
				for line := range strings.Lines(read(t, image+"/Windows/System32/winpeshl.ini")) {
					if program, args, _ := strings.Cut(strings.TrimSpace(line), ","); strings.HasPrefix(program, "%SYSTEMDRIVE%") {
						out, _ := c.run(strings.Replace(program, "%SYSTEMDRIVE%", "C:", 1), strings.Fields(args)...)
						said += out
					}
				}
				want = "wpeinit.exe\r\n" + want
			}
			if calls := read(t, c.drive+"/calls.txt"); calls != want {
				t.Errorf("called: %q, want %q", calls, want)
			}
			printed := regexp.MustCompile(`(?m)^[0-9a-f]{4}:.*\n`).ReplaceAllString(said, "")
			for _, text := range []string{`"Model"`, "committed", "AssetTag=deployed by ilod\n", "AdminName=deployment\n"} {
				if !strings.Contains(printed, text) {
					t.Errorf("%q is not printed: %s", text, printed)
				}
			}
			if logins, left := c.iLO.Stats().Logins, c.left(); logins != 1 || left != 0 {
				t.Errorf("%d logins, %d sessions left", logins, left)
			}
			written := 0
			_ = filepath.WalkDir(c.drive+"/ilod", func(path string, entry os.DirEntry, err error) error {
				if info, err := entry.Info(); err == nil && !entry.IsDir() {
					if _, err := os.Stat(strings.Replace(path, c.drive, image, 1)); err != nil {
						t.Logf("%s: %d bytes", path, info.Size())
						written += int(info.Size())
					}
				}
				return err
			})
			if written > stateLimit {
				t.Errorf("%d bytes are written, more than %d", written, stateLimit)
			}
		})
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
