package clients

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/platform/ownedfile"
)

// crash leaves the directory as a kill would.
func crash(tb testing.TB, r *Registry) {
	tb.Helper()
	r.disk.Lock()
	defer r.disk.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.journal.close(); err != nil {
		tb.Error(err)
	}
	r.journal = nil
}

// churn makes, changes, and ends sessions until it kills itself. It prints what
// it did after it has.
func churn(dir string) error {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	time.AfterFunc(rand.N(100*time.Millisecond), func() { _ = self.Kill() })
	r, err := Open(Options{Limits: DefaultLimits(), Dir: dir})
	if err != nil {
		return err
	}
	var live []string
	for {
		switch n := rand.IntN(4); {
		case n == 0 && len(live) > 0:
			id := live[0]
			if err := r.End(id, Owner{Name: "churn"}); err != nil {
				return err
			}
			live = live[1:]
			fmt.Println("ended", id)
		case n == 1 && len(live) > 0:
			s, err := r.Set(live[0], func(v *api.Variables) error { v.ActivePath = fmt.Sprintf("/redfish/v1/%d", rand.Int()); return nil })
			if err != nil {
				return err
			}
			fmt.Println("changed", s.ID, s.ActivePath)
		default:
			s, handle, err := r.Create(alice, Request{})
			if err != nil {
				return err
			}
			live = append(live, s.ID)
			fmt.Println("created", s.ID, handle)
		}
	}
}

// TestKill: what a process has done before it kills itself is there after it.
func TestKill(t *testing.T) {
	o := Options{Limits: DefaultLimits(), Dir: t.TempDir()}
	o.Limits.MaxSessions = 0
	type known struct{ handle, active string }
	live, ended, lines := map[string]known{}, map[string]string{}, 0
	for range 20 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+o.Dir, "GORACE=atexit_sleep_ms=0")
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for scan := bufio.NewScanner(out); scan.Scan(); lines++ {
			var what, id, more string
			_, _ = fmt.Sscan(scan.Text(), &what, &id, &more)
			s := live[id]
			switch what {
			case "created":
				live[id] = known{more, Root}
			case "changed":
				live[id] = known{s.handle, more}
			case "ended":
				ended[id] = s.handle
				delete(live, id)
			}
		}
		_ = cmd.Wait()

		log, logged := recordLog()
		o.Log = log
		r, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(logged.String(), "warning") {
			t.Errorf("after a kill: %s", logged)
		}
		unknown := 0 // done and not said any more
		for id, s := range live {
			got, err := r.Get(id)
			switch {
			case err != nil:
				unknown++
				ended[id] = s.handle
				delete(live, id)
			case got.ActivePath != s.active:
				unknown++
				live[id] = known{s.handle, got.ActivePath}
			default:
				if err := use(r, s.handle, alice.Key); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
		}
		if unknown > 1 {
			t.Errorf("%d sessions are not as they were left", unknown)
		}
		for id, handle := range ended {
			if err := use(r, handle, alice.Key); !errors.Is(err, ErrTerminated) && len(ended) < remembered {
				t.Errorf("%s was ended: %v", id, err)
			}
		}
		if n := r.Stats().Sessions; n < len(live) || n > len(live)+1 {
			t.Errorf("%d sessions, want %d", n, len(live))
		}
		r.EndUser(alice.Key, Owner{Name: "test"}) // the next child begins anew
		for id, s := range live {
			ended[id] = s.handle
			delete(live, id)
		}
		closeRegistry(t, r)
	}
	if lines == 0 {
		t.Error("no process has done anything")
	}
	t.Logf("%d operations", lines)
}

// TestEveryPrefix: a journal that was cut anywhere is the state that it had
// there.
func TestEveryPrefix(t *testing.T) {
	c := newClock()
	o := Options{Limits: DefaultLimits(), Dir: t.TempDir(), Now: c.now}
	o.Limits.InactivityTimeout = api.Seconds(time.Minute)
	r := open(t, o)
	name := filepath.Join(o.Dir, journalFile)
	size := func() int {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return int(info.Size())
	}
	// What lives after each operation that has written something.
	type at struct {
		size    int
		version uint64
		live    []api.Session
		now     time.Time
	}
	states := []at{{size: size(), version: 1, now: c.now()}}
	var handles []string
	for i := range 60 {
		c.advance(time.Duration(1+rand.IntN(20)) * time.Second)
		switch i % 6 {
		case 0, 1, 2:
			_, handle := create(t, r, alice, Request{Name: fmt.Sprint(i)})
			handles = append(handles, handle)
		case 3:
			_ = r.End(handles[rand.IntN(len(handles))][:idSize], Owner{Name: "test"}) // which may have expired
		case 4:
			_, _ = r.Set(handles[rand.IntN(len(handles))][:idSize], func(v *api.Variables) error { v.Recursive = !v.Recursive; return nil })
		case 5:
			r.Bump("test")
		}
		states = append(states, at{size(), r.version, r.List(everybody), c.now()})
	}
	crash(t, r)
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(states); i++ {
		before, after := states[i-1], states[i]
		for _, cut := range []int{after.size, after.size - 1, before.size + (after.size-before.size)/2} {
			log, logged := recordLog()
			now := newClock()
			now.t = after.now
			r := open(t, Options{Limits: o.Limits, Now: now.now, Log: log})
			if damaged := r.replay(content[:cut]); damaged != 0 {
				t.Errorf("%d of %d bytes: %d damaged lines", cut, len(content), damaged)
			}
			if cut != after.size {
				continue
			}
			if got := r.List(everybody); !reflect.DeepEqual(got, after.live) || r.version != after.version {
				t.Errorf("after operation %d: version %d, %+v\nwant version %d, %+v\n%s", i, r.version, got, after.version, after.live, logged)
			}
			check(t, r)
		}
	}
}

// TestDamage: of a damaged directory it keeps what can be read, sets the rest
// aside, and starts.
func TestDamage(t *testing.T) {
	for name, c := range map[string]struct {
		spoil          func(t *testing.T, file func(string) string)
		lost           int  // sessions of 10
		handles, limit bool // are good
		aside          string
	}{
		"nothing": {func(*testing.T, func(string) string) {}, 0, true, true, ""},
		"truncated": {func(t *testing.T, file func(string) string) {
			edit(t, file(journalFile), func(b []byte) []byte { return b[:len(b)-2] })
		}, 1, true, true, ""},
		"a flipped bit": {func(t *testing.T, file func(string) string) {
			edit(t, file(journalFile), func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		}, 1, true, true, journalFile},
		"garbage at the end": {func(t *testing.T, file func(string) string) {
			edit(t, file(journalFile), func(b []byte) []byte { return append(b, "\x00\xff{\n\n\"garbage"...) })
		}, 0, true, true, journalFile},
		"zeros": {func(t *testing.T, file func(string) string) {
			edit(t, file(journalFile), func(b []byte) []byte { clear(b); return b })
		}, 10, true, true, journalFile},
		"no journal":        {func(t *testing.T, file func(string) string) { remove(t, file(journalFile)) }, 10, true, true, ""},
		"empty journal":     {func(t *testing.T, file func(string) string) { edit(t, file(journalFile), empty) }, 10, true, true, ""},
		"journal directory": {func(t *testing.T, file func(string) string) { directory(t, file(journalFile)) }, 10, true, true, journalFile},
		"no key":            {func(t *testing.T, file func(string) string) { remove(t, file(keyFile)) }, 0, false, true, ""},
		"short key": {func(t *testing.T, file func(string) string) {
			edit(t, file(keyFile), func(b []byte) []byte { return b[1:] })
		}, 0, false, true, keyFile},
		"empty key":      {func(t *testing.T, file func(string) string) { edit(t, file(keyFile), empty) }, 0, false, true, keyFile},
		"no limits":      {func(t *testing.T, file func(string) string) { remove(t, file(limitsFile)) }, 0, true, false, ""},
		"garbled limits": {func(t *testing.T, file func(string) string) { edit(t, file(limitsFile), empty) }, 0, true, false, limitsFile},
		"bad limits": {func(t *testing.T, file func(string) string) {
			edit(t, file(limitsFile), func([]byte) []byte { return []byte(`{"MaxSessions":-1}`) })
		}, 0, true, false, limitsFile},
		"left by a crash": {func(t *testing.T, file func(string) string) {
			for _, name := range []string{keyFile, limitsFile, journalFile} {
				if err := os.WriteFile(filepath.Join(filepath.Dir(file(name)), ownedfile.TempPrefix+name), []byte("half"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}, 0, true, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			log, logged := recordLog()
			o := Options{Limits: DefaultLimits(), Dir: t.TempDir(), Now: newClock().now, Log: log}
			r := open(t, o)
			limits := r.Limits()
			limits.MaxSessions = 99
			if err := setLimits(r, limits); err != nil {
				t.Fatal(err)
			}
			var handles []string
			for range 10 {
				_, handle := create(t, r, alice, Request{})
				handles = append(handles, handle)
			}
			crash(t, r)
			file := func(name string) string { return filepath.Join(o.Dir, name) }
			c.spoil(t, file)

			logged.Reset()
			for range 2 { // the second start finds nothing wrong
				r := open(t, o)
				lost, refused := 0, 0
				for _, handle := range handles {
					if _, err := r.Get(handle[:idSize]); err != nil {
						lost++
					}
					if err := use(r, handle, alice.Key); errors.Is(err, ErrHandle) {
						refused++
					}
				}
				if lost != c.lost || (refused == 0) != c.handles || (r.Limits() == limits) != c.limit {
					t.Errorf("%d sessions lost, %d handles refused, %+v", lost, refused, r.Limits())
				}
				closeRegistry(t, r)
				if warned := strings.Contains(logged.String(), "set aside"); warned != (c.aside != "") {
					t.Errorf("log: %s", logged)
				}
			}
			if strings.Count(logged.String(), "set aside") > 1 {
				t.Errorf("log: %s", logged)
			}
			if _, err := os.Stat(file(c.aside) + badSuffix); c.aside != "" && err != nil {
				t.Error(err)
			}
			entries, err := os.ReadDir(o.Dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if info, err := e.Info(); err != nil || !e.IsDir() && info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
					t.Errorf("%s: %v %v", e.Name(), info.Mode(), err)
				}
			}
		})
	}
}

func empty([]byte) []byte { return nil }

func edit(t *testing.T, name string, f func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, f(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func directory(t *testing.T, name string) {
	t.Helper()
	remove(t, name)
	if err := os.MkdirAll(filepath.Join(name, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// TestUnusableDirectory: without its directory the agent works.
func TestUnusableDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	log, logged := recordLog()
	r := open(t, Options{Limits: DefaultLimits(), Dir: dir, Log: log})
	_, handle := create(t, r, alice, Request{})
	if err := errors.Join(use(r, handle, alice.Key), r.RotateKey(), setLimits(r, DefaultLimits())); err != nil {
		t.Error(err)
	}
	if !strings.Contains(logged.String(), "will not survive") {
		t.Errorf("log: %s", logged)
	}
}

// TestLostDirectory: a directory that vanishes is warned of now and then, and
// what is in it when it is back is the present.
func TestLostDirectory(t *testing.T) {
	c := newClock()
	log, logged := recordLog()
	o := Options{Limits: DefaultLimits(), Dir: filepath.Join(t.TempDir(), "clients"), Now: c.now, Log: log}
	r := open(t, o)
	_, handle := create(t, r, alice, Request{})
	if err := os.RemoveAll(o.Dir); err != nil {
		t.Fatal(err)
	}
	r.disk.Lock()
	r.journal.appended = 2 * rewriteAfter
	r.disk.Unlock()
	for range 10 {
		create(t, r, alice, Request{})
	}
	if n := strings.Count(logged.String(), "cannot be written"); n != 1 {
		t.Errorf("%d warnings: %s", n, logged)
	}
	if err := r.RotateKey(); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := setLimits(r, api.Limits{}); !errors.Is(err, fs.ErrNotExist) || r.Limits() != o.Limits {
		t.Errorf("%v, %+v", err, r.Limits())
	}
	if err := use(r, handle, alice.Key); err != nil {
		t.Error(err)
	}
	if err := os.Mkdir(o.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	c.advance(retryAfter)
	create(t, r, alice, Request{})
	crash(t, r)
	if n := open(t, o).Stats().Sessions; n != 12 {
		t.Errorf("%d sessions", n)
	}
}

// TestWrongClock: times of the future become the present.
func TestWrongClock(t *testing.T) {
	c := newClock()
	o := Options{Limits: DefaultLimits(), Dir: t.TempDir(), Now: c.now}
	r := open(t, o)
	_, handle := create(t, r, alice, Request{})
	closeRegistry(t, r)
	c.advance(-24 * 365 * time.Hour)
	r = open(t, o)
	if s, err := r.Get(handle[:idSize]); err != nil || !s.Created.Equal(c.now()) || !s.Used.Equal(c.now()) {
		t.Errorf("%+v %v", s, err)
	}
	c.advance(30 * time.Minute)
	if err := use(r, handle, alice.Key); !errors.Is(err, ErrExpired) {
		t.Error(err)
	}
}

// TestNoSecrets: the key is in its file only, and no handle is in any.
func TestNoSecrets(t *testing.T) {
	log, logged := recordLog()
	o := Options{Limits: DefaultLimits(), Dir: t.TempDir(), Log: log}
	r := open(t, o)
	_, handle := create(t, r, alice, Request{})
	if err := errors.Join(use(r, handle, alice.Key), r.End(handle[:idSize], Owner{Name: "test"})); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(o.Dir, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	journal, err := os.ReadFile(filepath.Join(o.Dir, journalFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{journal, logged.Bytes()} {
		if bytes.Contains(b, key) || bytes.Contains(b, []byte(handle[len(handle)-macSize:])) {
			t.Errorf("%s", b)
		}
	}
}

func FuzzReplay(f *testing.F) {
	r, err := Open(Options{Limits: DefaultLimits(), Now: newClock().now})
	if err != nil {
		f.Fatal(err)
	}
	if _, _, err := r.Create(alice, Request{Name: "x"}); err != nil {
		f.Fatal(err)
	}
	r.terminated.add("ilod-0000000000000000")
	all := encoded(r.state())
	f.Add(all)
	f.Add(all[:len(all)-1])
	for _, rec := range []record{{Session: &stored{}}, {Session: &stored{Session: api.Session{ID: "ilod-0000000000000000", Owner: "x", InUse: 7}}}, {Expired: "x", Version: 1 << 63}} {
		f.Add(rec.encode(nil))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		r, err := Open(Options{Limits: DefaultLimits(), Now: newClock().now})
		if err != nil {
			t.Fatal(err)
		}
		r.replay(content)
		check(t, r)
		for _, s := range r.List(everybody) {
			if !validID(s.ID) || checkVariables(&s.Variables) != nil || s.InUse != 0 || s.Created.After(newClock().now()) {
				t.Errorf("%+v", s)
			}
		}
	})
}
