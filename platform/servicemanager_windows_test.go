package platform

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

// What installs, starts and removes a service is tried with the program, in
// chif/chiftest/wine. That it is started again after a failure, and given time at a
// shutdown, can only be seen on Windows.

// TestServiceStates plays the service manager.
func TestServiceStates(t *testing.T) {
	for _, command := range []svc.Cmd{svc.Stop, svc.PreShutdown} {
		requests, changes := make(chan svc.ChangeRequest), make(chan svc.Status)
		next := func() svc.Status {
			t.Helper()
			for {
				if s := <-changes; s.CheckPoint == 0 { // else a sign of life
					return s
				}
			}
		}
		var cause error
		ended := make(chan uint32)
		go func() {
			_, code := handler{func(ctx context.Context, s *WindowsService) uint32 {
				s.Ready()
				<-ctx.Done()
				cause = context.Cause(ctx)
				s.Stopping()
				return 7
			}}.Execute(nil, requests, changes)
			ended <- code
		}()
		if s := next(); s.State != svc.StartPending || s.Accepts != 0 || s.WaitHint == 0 {
			t.Errorf("at first: %+v", s)
		}
		want := svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptPreShutdown}
		if s := next(); s != want {
			t.Errorf("serving: %+v", s)
		}
		requests <- svc.ChangeRequest{Cmd: svc.Interrogate}
		if s := next(); s != want {
			t.Errorf("asked: %+v", s)
		}
		requests <- svc.ChangeRequest{Cmd: command}
		for range 2 {
			if s := next(); s.State != svc.StopPending || s.Accepts != 0 || s.WaitHint != uint32(preshutdown.Milliseconds()) {
				t.Errorf("stopping: %+v", s)
			}
		}
		if code := <-ended; code != 7 || !errors.Is(cause, errServiceStop) {
			t.Errorf("%d, %v", code, cause)
		}
	}
}

// TestServiceEndsByItself: a start may fail, or a client ask the agent to end.
func TestServiceEndsByItself(t *testing.T) {
	changes := make(chan svc.Status, 10)
	specific, code := handler{func(context.Context, *WindowsService) uint32 { return 92 }}.Execute(nil, nil, changes)
	if !specific || code != 92 {
		t.Errorf("%v, %d", specific, code)
	}
}

func TestNoServiceManager(t *testing.T) {
	defer func(f func() (*mgr.Mgr, error)) { connectManager = f }(connectManager)
	connectManager = func() (*mgr.Mgr, error) { return nil, windows.ERROR_SERVICE_NOT_ACTIVE }
	_, installing := InstallService("ilod-test", "", "", `C:\none.exe`)
	_, _, asking := ServiceState("ilod-test")
	for _, err := range []error{installing, asking, StartService(t.Context(), "ilod-test"), StopService(t.Context(), "ilod-test"), RemoveService(t.Context(), "ilod-test")} {
		if !errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) || !strings.HasPrefix(err.Error(), "service manager: ") {
			t.Error(err)
		}
	}
}

type recorded struct{ entries []string }

func (r *recorded) Warning(id uint32, text string) error { return r.add("warning", id, text) }
func (r *recorded) Error(id uint32, text string) error   { return r.add("error", id, text) }
func (r *recorded) Close() error                         { return nil }
func (r *recorded) add(kind string, id uint32, text string) error {
	r.entries = append(r.entries, strings.Join([]string{kind, string(rune('0' + id)), text}, " "))
	return errors.New("the log is full")
}

func TestEventLog(t *testing.T) {
	defer func(f func(string) (events, error)) { openEvents = f }(openEvents)
	hook, err := EventLog("ilod-test") // the real one
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(hook.Fire(&logrus.Entry{Message: "a test", Level: logrus.WarnLevel}), hook.Close()); err != nil {
		t.Error(err)
	}

	var r recorded
	openEvents = func(string) (events, error) { return &r, nil }
	if hook, err = EventLog(""); err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	var rest strings.Builder
	log.SetOutput(&rest)
	log.AddHook(hook)
	log.Info("nothing for it")
	log.WithField("session", "/redfish\x00").WithError(errors.New("no")).Warn("a warning")
	log.Error("an error")
	want := []string{"warning 1 a warning\nerror: no\nsession: /redfish", "error 2 an error"}
	if strings.Join(r.entries, "|") != strings.Join(want, "|") || strings.Count(rest.String(), "msg=") != 3 {
		t.Errorf("%q, %q", r.entries, rest.String())
	}

	openEvents = func(string) (events, error) { return nil, windows.RPC_S_SERVER_UNAVAILABLE }
	if _, err := EventLog(""); !errors.Is(err, windows.RPC_S_SERVER_UNAVAILABLE) {
		t.Error(err)
	}
}
