package client_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/agent"
	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/agent/redfisherror"
	"github.com/ilod/ilod/platform"
)

// session makes a client in a client session of its own, which ends with the test.
func session(t *testing.T) *client.Client {
	t.Helper()
	all := &client.Client{Transport: engine}
	s, handle, err := all.NewSession(t.Context(), api.NewSession{Name: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := all.EndSession(context.Background(), s.ID); err != nil && !errors.Is(err, client.ErrSessionTerminated) {
			if e, ok := errors.AsType[*client.Error](err); !ok || e.Answer.Status != http.StatusNotFound {
				t.Error(err)
			}
		}
	})
	return &client.Client{Transport: engine, Handle: handle}
}

// TestSessionsOfAClient: a client session is named by its id or Current, has a handle, and
// is gone when it was ended.
func TestSessionsOfAClient(t *testing.T) {
	ctx, c := t.Context(), session(t)
	s, err := c.Session(ctx, client.Current)
	if err != nil || s.Name != t.Name() || !s.Current || s.Default {
		t.Fatalf("%+v, %v", s, err)
	}
	if same, err := c.Session(ctx, s.ID); err != nil || same.ID != s.ID {
		t.Errorf("%+v, %v", same, err)
	}
	list, err := c.Sessions(ctx)
	found := 0
	for _, other := range list {
		if other.ID == s.ID && other.Current {
			found++
		}
	}
	if err != nil || found != 1 {
		t.Errorf("%d of %+v, %v", found, list, err)
	}
	if err := c.RotateKey(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Session(ctx, client.Current); !errors.Is(err, client.ErrHandle) {
		t.Errorf("with a handle of the former key: %v", err)
	}
	of := &client.Client{Transport: engine}
	if _, c.Handle, err = of.NewHandle(ctx, s.ID); err != nil || !client.IsHandle(c.Handle) {
		t.Fatal(err)
	}
	if err := c.EndSession(ctx, client.Current); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Session(ctx, client.Current); !errors.Is(err, client.ErrSessionTerminated) {
		t.Errorf("after its end: %v", err)
	}
	one := session(t)
	other, err := one.Session(ctx, client.Current)
	if err != nil {
		t.Fatal(err)
	}
	ended, err := of.EndSessionsOf(ctx, other.User)
	if err != nil || !strings.Contains(strings.Join(ended, " "), other.ID) {
		t.Errorf("%q, %v", ended, err)
	}
}

// TestRefusalNamesWhoCanMakeRoom: with the policy ask, a refusal has the client sessions of
// which one may be ended, and that one is ended on demand.
func TestRefusalNamesWhoCanMakeRoom(t *testing.T) {
	ctx, c := t.Context(), session(t)
	mine, err := c.Session(ctx, client.Current)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SetLimits(ctx, map[string]any{"maxSessionsPerUser": 1, "whenFull": api.Ask}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := (&client.Client{Transport: engine}).SetLimits(ctx, map[string]any{"maxSessionsPerUser": nil, "whenFull": nil}); err != nil {
			t.Error(err)
		}
	}()
	_, _, err = c.NewSession(ctx, api.NewSession{Name: "another"})
	e, ok := errors.AsType[*client.Error](err)
	if !errors.Is(err, client.ErrSessionLimit) || !ok || len(e.Sessions) != 1 || e.Sessions[0].ID != mine.ID || e.ILOSessions != nil {
		t.Fatalf("%v: %+v", err, e)
	}
	s, handle, err := c.NewSession(ctx, api.NewSession{Name: "another"}, e.Sessions[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	c.Handle = handle
	if err := c.EndSession(ctx, s.ID); err != nil {
		t.Error(err)
	}
}

// TestTransactionOfAClient: what is staged shows, with its timeout; a rollback sends
// nothing; a failed commit comes with its result.
func TestTransactionOfAClient(t *testing.T) {
	ctx, c := t.Context(), session(t)
	if _, err := c.Stage(ctx, "PATCH", "/redfish/v1/Systems/1/", []byte(`{"AssetTag":"at once"}`)); !errors.Is(err, client.ErrNotStaged) {
		t.Errorf("without a transaction: %v", err)
	}
	begun, err := c.Begin(ctx, 90*time.Second)
	if err != nil || time.Duration(begun.Timeout) != 90*time.Second || begun.State != api.Open {
		t.Fatalf("%+v, %v", begun, err)
	}
	if _, err := c.Begin(ctx, 0); !errors.Is(err, client.ErrTransactionOpen) {
		t.Errorf("a second one: %v", err)
	}
	receipt, err := c.Stage(ctx, "PATCH", "/redfish/v1/Systems/1/", []byte(`{"AssetTag":"kept"}`))
	if err != nil || receipt.Staged != 1 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	if now, err := c.Transaction(ctx); err != nil || len(now.Writes) != 1 || now.Writes[0].Method != "PATCH" || !now.Writes[0].Undoable {
		t.Errorf("%+v, %v", now, err)
	}
	changes, err := c.Changes(ctx)
	if err != nil || len(changes) != 1 || changes[0].From != "at once" || changes[0].To != "kept" {
		t.Errorf("%+v, %v", changes, err)
	}
	if r, err := c.Rollback(ctx); err != nil || r.Result != api.RolledBack || len(r.Writes) != 1 || r.Writes[0].Outcome != api.NotSent {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := c.Begin(ctx, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Stage(ctx, "PATCH", "/redfish/v1/Systems/none/", []byte(`{"AssetTag":"x"}`)); err == nil {
		t.Fatal("a write to a missing resource was staged")
	}
	_, err = c.Commit(ctx)
	if e, ok := errors.AsType[*client.Error](err); !errors.Is(err, client.ErrErrant) || !ok || e.Result == nil || e.Result.Result != api.RolledBack {
		t.Errorf("%v: %+v", err, e)
	}
	if err := c.Acknowledge(ctx, "nothing"); err == nil {
		t.Error("a report that does not exist was acknowledged")
	}
}

// TestCommitOfWhatIsNeeded: what the iLO has already is not sent, and the result says so.
func TestCommitOfWhatIsNeeded(t *testing.T) {
	ctx, c := t.Context(), session(t)
	for _, want := range []struct {
		result  api.Verdict
		changes int
	}{{api.Committed, 1}, {api.Unchanged, 0}} {
		if _, err := c.Begin(ctx, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Stage(ctx, "PATCH", "/redfish/v1/Systems/1/", []byte(`{"AssetTag":"needed"}`)); err != nil {
			t.Fatal(err)
		}
		run, err := c.CommitNeeded(ctx)
		if err != nil || run.Result.Result != want.result || len(run.Changes) != want.changes || len(run.Writes) != want.changes {
			t.Errorf("%+v, %v", run, err)
		}
	}
	if _, err := c.CommitNeeded(ctx); !errors.Is(err, client.ErrNoTransaction) {
		t.Error(err)
	}
}

// TestAgentOfAClient: status, metrics and cache are those of the agent, resources those of
// its iLO.
func TestAgentOfAClient(t *testing.T) {
	ctx, c := t.Context(), &client.Client{Transport: engine}
	if s, err := c.Status(ctx); err != nil || s.Agent.Version != "1.2.3" || s.Agent.PID != os.Getpid() || s.Started.IsZero() || s.Schedule == nil {
		t.Errorf("%+v, %v", s, err)
	}
	if text, err := c.Metrics(ctx); err != nil || !strings.Contains(string(text), "\nilod_ilo_logins_total ") {
		t.Errorf("%.200s, %v", text, err)
	}
	if header, body, err := c.Get(ctx, "/redfish/v1/"); err != nil || header.Get("ETag") == "" || !strings.Contains(string(body), `"RedfishVersion"`) {
		t.Errorf("%v, %.200s, %v", header, body, err)
	}
	if _, err := c.Health(ctx); err != nil {
		t.Error(err)
	}
	if s, err := c.Cache(ctx); err != nil || s.Entries == 0 || !strings.Contains(string(s.Store), `"onDisk":false`) {
		t.Errorf("%+v, %v", s, err)
	}
	if err := c.ClearCache(ctx); err != nil {
		t.Error(err)
	}
	if s, err := c.Cache(ctx); err != nil || s.Entries != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := c.Stop(ctx); err == nil {
		t.Error("rooms without a listener were stopped by a request")
	}
}

// TestILOSessionsOfAClient: the session in use is shown by its id and never terminated, and
// a logout ends it.
func TestILOSessionsOfAClient(t *testing.T) {
	ctx, c := t.Context(), &client.Client{Transport: engine}
	table, err := c.ILOSessions(ctx)
	if err != nil || len(table) != 1 || !table[0].Current {
		t.Fatalf("%+v, %v", table, err)
	}
	if e, err := c.ILOSession(ctx, table[0].ID); err != nil || e.Path != table[0].Path {
		t.Errorf("%+v, %v", e, err)
	}
	for _, dryRun := range []bool{true, false} {
		_, err := c.TerminateILOSession(ctx, table[0].ID, client.Terminate{DryRun: dryRun})
		if e, ok := errors.AsType[*redfisherror.Error](err); !ok && err == nil || ok && e.Status != http.StatusForbidden {
			t.Errorf("dry run %v: %v", dryRun, err)
		}
	}
	if err := c.LogoutILO(ctx); err != nil {
		t.Error(err)
	}
	if s, err := c.Status(ctx); err != nil || s.Session.Session != "" {
		t.Errorf("%+v, %v", s.Session, err)
	}
}

// TestContextEndsARequest: a method returns when its context ends, with the cause.
func TestContextEndsARequest(t *testing.T) {
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if _, err := (&client.Client{Transport: engine}).ILOSessions(ctx); !errors.Is(err, stop) && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestSocketOfAnAgent: the zero Client is for the system's agent, and Socket for another
// one; without one the error is that of the file.
func TestSocketOfAnAgent(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the agent listens on a named pipe")
	}
	if config := (agent.Config{RuntimeDir: platform.SystemDirectories().Runtime}); config.SocketPath() != client.SystemSocket {
		t.Errorf("the system's agent listens on %s", config.SocketPath())
	}
	path := filepath.Join(t.TempDir(), "s")
	c := &client.Client{Transport: client.Socket(path)}
	if _, err := c.Status(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nobody listens: %v", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := engine.RoundTrip(r)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	defer func() {
		_ = server.Close()
		<-served
	}()
	if s, err := c.Status(t.Context()); err != nil || s.Agent.Version != "1.2.3" {
		t.Errorf("%+v, %v", s, err)
	}
}
