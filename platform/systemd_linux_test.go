package platform

import (
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/sirupsen/logrus"
)

func TestServiceManager(t *testing.T) {
	var s ServiceManager
	s.Ready() // nobody listens

	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "3000000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	if every := s.Watchdog(); every != 1500*time.Millisecond {
		t.Errorf("watchdog every %v", every)
	}
	for want, f := range map[string]func(){
		"READY=1": s.Ready, "STOPPING=1": s.Stopping, "WATCHDOG=1": s.Alive,
		"STATUS=one two": func() { s.Status("one\ntwo") },
	} {
		f()
		buf := make([]byte, 100)
		n, err := conn.Read(buf)
		if got := string(buf[:n]); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
}

// TestActivated gives a listener to a process as systemd does.
func TestActivated(t *testing.T) {
	if os.Getenv("ILOD_TEST_ACTIVATED") != "" {
		// Only the process itself knows its number.
		t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		listeners, err := Activated()
		if err != nil || len(listeners) != 1 || len(listeners["ilod"]) != 1 {
			t.Fatalf("%v, %v", listeners, err)
		}
		conn, err := listeners["ilod"][0].Accept()
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(conn, "hello")
		if err := errors.Join(err, conn.Close()); err != nil {
			t.Fatal(err)
		}
		return
	}
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	file, err := listener.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestActivated$")
	cmd.Env = append(os.Environ(), "ILOD_TEST_ACTIVATED=1", "LISTEN_FDS=1", "LISTEN_FDNAMES=ilod")
	cmd.ExtraFiles = []*os.File{file}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, err := io.ReadAll(conn); string(got) != "hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestJournal(t *testing.T) {
	if _, ok := Journal(); ok && os.Getenv("JOURNAL_STREAM") == "" {
		t.Error("standard error is taken for the journal")
	}
	var message string
	var priority journal.Priority
	var fields map[string]string
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.AddHook(journalHook{func(m string, p journal.Priority, f map[string]string) error {
		message, priority, fields = m, p, f
		return nil
	}})
	log.WithError(errors.New("gone")).WithFields(logrus.Fields{"request_id": 7, "größe.x": "y", "az09_AZ/:@[`{": "all"}).Warn("lost")
	want := map[string]string{"ILOD_ERROR": "gone", "ILOD_REQUEST_ID": "7", "ILOD_GR__E_X": "y", "ILOD_AZ09_AZ______": "all"}
	if message != "lost: gone" || priority != journal.PriWarning || !maps.Equal(fields, want) {
		t.Errorf("%q, priority %d, %v", message, priority, fields)
	}
}

func TestHost(t *testing.T) {
	id, err := BootID()
	if err != nil || len(id) != 36 {
		t.Errorf("%q, %v", id, err)
	}
	serial, product := Machine()
	t.Logf("machine %q, serial number %q", product, serial)
}

func TestSerial(t *testing.T) {
	write := func(dir, name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tables, credentials := t.TempDir(), t.TempDir()
	expect := func(want string) {
		t.Helper()
		if serial, product := machine(tables); serial != want || product != "ProLiant" {
			t.Errorf("%q, %q, want %q", serial, product, want)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	write(tables, "product_name", "ProLiant\n")
	expect("")
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	expect("")
	write(credentials, serialCredential, "ABC 1 \n")
	expect("ABC 1")
	write(tables, "product_serial", "DEF\n")
	expect("DEF")
}
