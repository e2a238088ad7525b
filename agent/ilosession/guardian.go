package ilosession

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/pause"
)

const (
	// guardianWait is how long Guardian.Close waits for the process to end.
	guardianWait = time.Second
	// guardianTimeout bounds what a guardian does after its parent's death: an
	// iLO that is being reset comes back within it.
	guardianTimeout = 5 * time.Minute
	// guardianPause separates two attempts of it.
	guardianPause, guardianPauseMax = time.Second, 15 * time.Second
	// maxLine bounds a line on the pipe, in bytes.
	maxLine = 1 << 20
)

// Guardian is a second process that outlives this one: it holds the other end of
// a pipe, through which a Keeper tells it about each login and its session. If
// the pipe ends before Close, since this process was killed, the guardian deletes
// the sessions and updates the ledger. Nothing of it is in its arguments or its
// environment. All methods of a nil Guardian do nothing.
type Guardian struct {
	cmd *exec.Cmd

	mu   sync.Mutex
	pipe io.WriteCloser
	open map[string]bool // nonces that it was told and that are not gone
	err  error           // of the first write that failed
}

// GuardianConfig is what a guardian must know to do its work.
type GuardianConfig struct {
	Device     string `json:"device"`               // as given to chif.ParseDevice
	StateDir   string `json:"stateDir,omitempty"`   // as given to OpenLedger
	RuntimeDir string `json:"runtimeDir,omitempty"` // as given to OpenLedger
	Serial     string `json:"serial,omitempty"`     // of the board, if known
	Boot       string `json:"boot,omitempty"`       // the host's boot id
}

// guardianLine is one line on the pipe; exactly one field is set.
type guardianLine struct {
	Config *GuardianConfig `json:"config,omitempty"`
	Entry  *guardedEntry   `json:"entry,omitempty"` // an intent, then its session
	Gone   string          `json:"gone,omitempty"`  // nonce of a session that is gone
	Done   bool            `json:"done,omitempty"`  // all is well
}

type guardedEntry struct {
	storedEntry
	// Login is the body of the login, as the same credentials are needed to find
	// the session of an intent.
	Login json.RawMessage `json:"login"`
}

// StartGuardian starts cmd, a program that calls ServeGuardian with its standard
// input, and returns once it runs. The caller has cmd run in a session of its
// own (platform.Detach), so that neither Ctrl-C nor the end of the terminal takes
// it along, and may hand over the instance lock's file in cmd.ExtraFiles, so that
// nobody else starts before the guardian has ended. Stdin, Stdout and Stderr are
// set here: a guardian holds nothing open that others wait for.
func StartGuardian(cmd *exec.Cmd, c GuardianConfig) (*Guardian, error) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, nil, nil
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("guardian: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("guardian: %w", err)
	}
	g := &Guardian{cmd: cmd, pipe: pipe, open: map[string]bool{}}
	g.send(guardianLine{Config: &c})
	return g, nil
}

// Close tells the guardian that its work is done and waits, for at most a
// second, until it has ended. If a session of ours could not be deleted, the
// guardian goes on trying by itself. The error says that it was not there.
func (g *Guardian) Close() error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pipe == nil {
		return nil
	}
	busy := len(g.open) > 0
	if !busy {
		g.send(guardianLine{Done: true})
	}
	err := errors.Join(g.err, g.pipe.Close())
	g.pipe = nil
	ended := make(chan error, 1)
	go func() { ended <- g.cmd.Wait() }() // a guardian at work is left to init
	if !busy {
		timer := time.NewTimer(guardianWait)
		defer timer.Stop()
		select {
		case waitErr := <-ended:
			err = errors.Join(err, waitErr)
		case <-timer.C:
		}
	}
	if err != nil {
		return fmt.Errorf("guardian: %w", err)
	}
	return nil
}

// note tells an intent or a session.
func (g *Guardian) note(e entry, c *Credentials) {
	if g == nil {
		return
	}
	stored := storedEntry{entry: e}
	if e.authorize != nil {
		h := http.Header{}
		e.authorize(h)
		stored.Token = []byte(h.Get(tokenHeader))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open[e.Nonce] = true
	g.send(guardianLine{Entry: &guardedEntry{stored, loginBody(c)}})
}

func (g *Guardian) gone(nonce string) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open[nonce] {
		delete(g.open, nonce)
		g.send(guardianLine{Gone: nonce})
	}
}

// send writes one line; the pipe's buffer takes all that is ever sent. A
// guardian that is gone leaves the ledger, which is why that is no error here.
func (g *Guardian) send(l guardianLine) {
	if g.pipe == nil {
		return
	}
	line, err := json.Marshal(l)
	if err == nil {
		_, err = g.pipe.Write(append(line, '\n'))
	}
	if g.err == nil {
		g.err = err
	}
}

// GuardianOptions are what ServeGuardian needs of the program that calls it.
type GuardianOptions struct {
	// Transport opens the channel to the iLO; the Closer closes it.
	Transport func(device string) (http.RoundTripper, io.Closer, error)
	// Seal and Unseal are those of Ledger.
	Seal, Unseal func([]byte) ([]byte, error)
	// NotSent is that of Options.
	NotSent func(error) bool
	// Log, nil for none.
	Log logrus.FieldLogger
}

// ServeGuardian is the guardian's side: it reads r until the parent says that it
// is done, and returns nil, or until r ends without that. Then it deletes what
// sessions are left, or searches them if the parent died during a login, for at
// most five minutes. What it cannot delete stays in the ledger; the error says
// why.
func ServeGuardian(ctx context.Context, r io.Reader, o GuardianOptions) error {
	w, done, err := readWards(r)
	if done || len(w.entries) == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, guardianTimeout)
	defer cancel()
	return errors.Join(err, w.rescue(ctx, o))
}

// wards are what a guardian was told.
type wards struct {
	config      GuardianConfig
	entries     map[string]entry // by nonce
	credentials *Credentials
}

// readWards reads the pipe to its end. A line cut off by the parent's death is
// not one.
func readWards(r io.Reader) (w wards, done bool, err error) {
	w.entries = map[string]entry{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var l guardianLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return w, false, nil
		}
		switch {
		case l.Config != nil:
			w.config = *l.Config
		case l.Entry != nil && l.Entry.Nonce != "":
			e := l.Entry.entry
			if token := l.Entry.Token; len(token) > 0 {
				e.authorize = authorizer(string(token))
			}
			w.entries[e.Nonce] = e
			var login struct{ UserName, Password *string }
			if json.Unmarshal(l.Entry.Login, &login) == nil && login.UserName != nil && login.Password != nil {
				w.credentials = &Credentials{*login.UserName, *login.Password}
			}
		case l.Gone != "":
			delete(w.entries, l.Gone)
		case l.Done:
			return w, true, nil
		}
	}
	if err := lines.Err(); err != nil {
		return w, false, fmt.Errorf("guardian's pipe: %w", err)
	}
	return w, false, nil
}

// rescue does the work of Recover for the wards alone, until nothing is left or
// ctx ends.
func (w wards) rescue(ctx context.Context, o GuardianOptions) (err error) {
	ledger, err := OpenLedger(w.config.StateDir, w.config.RuntimeDir)
	if err != nil {
		return err
	}
	ledger.Seal, ledger.Unseal = o.Seal, o.Unseal
	rt, closer, err := o.Transport(w.config.Device)
	if err != nil {
		return fmt.Errorf("guardian: %w", err)
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	k := NewKeeper(KeeperOptions{
		Next: rt, Ledger: ledger, NotSent: o.NotSent, Log: o.Log, Boot: w.config.Boot,
		Serial:      func(context.Context) (string, error) { return w.config.Serial, nil },
		Credentials: func() (*Credentials, error) { return w.credentials, nil },
	})
	k.setWards(w.entries)
	defer func() { err = errors.Join(err, k.Close(ctx)) }()
	for next := guardianPause; ; next = min(2*next, guardianPauseMax) {
		err := k.Recover(ctx)
		if len(k.unsettled()) == 0 {
			return err
		}
		if !pause.For(ctx, min(next, k.untilRetry())) {
			return errors.Join(err, fmt.Errorf("guardian: %w", context.Cause(ctx)))
		}
	}
}

// untilRetry is how long it is until the Keeper tries again by itself.
func (k *Keeper) untilRetry() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return max(time.Until(k.retry.at), 0)
}

// setWards limits Recover to entries, which the ledger's files need not have.
func (k *Keeper) setWards(entries map[string]entry) {
	wards := map[string]bool{}
	for nonce, e := range entries {
		wards[nonce] = true
		k.o.Ledger.remember(e)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wards = wards
}
