package platform

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"
)

const (
	// preshutdown is how long Windows waits at its end for the service to delete
	// its session: longer than the agent's stop may take.
	preshutdown = 90 * time.Second
	// processEnd is how long the process of a stopped service may take to end.
	processEnd = 10 * time.Second
	// servicePoll is how often the state of a service is looked at.
	servicePoll = 50 * time.Millisecond
)

// Errors about services.
var (
	ErrNoService     = errors.New("the service is not installed")
	ErrServiceThere  = errors.New("the service is installed already")
	ErrServiceFailed = errors.New("the service has ended")
	ErrNotStarted    = errors.New("this process was not started by the service manager")
)

// connectManager reaches the service manager; tests let it fail.
var connectManager = mgr.Connect

// onManager runs f with the service manager.
func onManager(f func(*mgr.Mgr) error) error {
	m, err := connectManager()
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		err = fmt.Errorf("%w; it obeys administrators only", err)
	}
	if err != nil {
		return fmt.Errorf("service manager: %w", err)
	}
	return errors.Join(f(m), m.Disconnect())
}

// onService runs f with a service.
func onService(name string, f func(*mgr.Service) error) error {
	return onManager(func(m *mgr.Mgr) error {
		s, err := m.OpenService(name)
		if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
			return fmt.Errorf("%s: %w", name, ErrNoService)
		}
		if err != nil {
			return fmt.Errorf("service %s: %w", name, err)
		}
		return errors.Join(f(s), s.Close())
	})
}

// InstallService has Windows run a program as LocalSystem, from its next start on:
// in a process of its own, again after failures, and with time to end at a
// shutdown. Its source in the event log is registered. It fails with
// ErrServiceThere if there is a service of the name. The warning is of what may be
// missing: the service is installed without it.
func InstallService(name, title, description, program string, args ...string) (warning, err error) {
	err = onManager(func(m *mgr.Mgr) error {
		s, err := m.CreateService(name, program, mgr.Config{
			ServiceType: windows.SERVICE_WIN32_OWN_PROCESS, StartType: mgr.StartAutomatic, ErrorControl: mgr.ErrorNormal,
			DisplayName: title, Description: description,
		}, args...)
		if errors.Is(err, windows.ERROR_SERVICE_EXISTS) {
			return fmt.Errorf("%s: %w", name, ErrServiceThere)
		}
		if err != nil {
			return fmt.Errorf("service %s: %w", name, err)
		}
		// After the first failure of a day at once, then with more and more patience.
		again := func(after time.Duration) mgr.RecoveryAction {
			return mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: after}
		}
		const day = 24 * 60 * 60 // seconds
		patience := uint32(preshutdown.Milliseconds())
		missing := func(what string, err error) {
			if err != nil {
				warning = errors.Join(warning, fmt.Errorf("%s: %w", what, err))
			}
		}
		missing("start after a crash", s.SetRecoveryActions([]mgr.RecoveryAction{again(time.Second), again(time.Minute), again(10 * time.Minute)}, day))
		missing("start after a failure", s.SetRecoveryActionsOnNonCrashFailures(true))
		missing("time at a shutdown", windows.ChangeServiceConfig2(s.Handle, windows.SERVICE_CONFIG_PRESHUTDOWN_INFO, (*byte)(unsafe.Pointer(&patience))))
		missing("event log", installSource(name))
		return s.Close()
	})
	return warning, err
}

// RemoveService ends a service, as StopService does, and forgets it. One that does
// not end is forgotten once it has.
func RemoveService(ctx context.Context, name string) error {
	return onService(name, func(s *mgr.Service) error {
		stopping, err := stop(ctx, s), s.Delete()
		if err != nil {
			err = fmt.Errorf("service %s: %w", name, err)
		}
		_ = eventlog.Remove(name) // it need not be there
		return errors.Join(stopping, err)
	})
}

// StartService starts a service and waits until it runs. It fails with
// ErrServiceFailed if it ends instead.
func StartService(ctx context.Context, name string) error {
	return onService(name, func(s *mgr.Service) error {
		if err := s.Start(); err != nil && !errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
			return fmt.Errorf("service %s: %w", name, err)
		}
		status, err := await(ctx, s, svc.Running)
		if err == nil && status.State == svc.Stopped {
			code := status.Win32ExitCode
			if code == uint32(windows.ERROR_SERVICE_SPECIFIC_ERROR) {
				code = status.ServiceSpecificExitCode
			}
			err = fmt.Errorf("%s: %w with exit code %d", name, ErrServiceFailed, code)
		}
		return err
	})
}

// StopService ends a service and waits until it and its process have ended. One
// that does not run is no error.
func StopService(ctx context.Context, name string) error {
	return onService(name, func(s *mgr.Service) error { return stop(ctx, s) })
}

func stop(ctx context.Context, s *mgr.Service) error {
	if status, err := s.Query(); err == nil && status.ProcessId != 0 {
		if process, err := windows.OpenProcess(windows.SYNCHRONIZE, false, status.ProcessId); err == nil {
			defer func() { // it ends a moment after the service, and only then its file can be replaced
				_, _ = windows.WaitForSingleObject(process, uint32(processEnd.Milliseconds()))
				_ = windows.CloseHandle(process)
			}()
		}
	}
	_, err := s.Control(svc.Stop)
	// One that is about to start or to end takes no controls.
	for ; errors.Is(err, windows.ERROR_SERVICE_CANNOT_ACCEPT_CTRL); _, err = s.Control(svc.Stop) {
		if status, err := await(ctx, s, svc.Running); err != nil || status.State == svc.Stopped {
			return err
		}
	}
	if errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stop the service %s: %w", s.Name, err)
	}
	_, err = await(ctx, s, svc.Stopped)
	return err
}

// await waits until a service has a state, or is stopped.
func await(ctx context.Context, s *mgr.Service, state svc.State) (svc.Status, error) {
	tick := time.NewTicker(servicePoll)
	defer tick.Stop()
	for {
		status, err := s.Query()
		if err != nil || status.State == state || status.State == svc.Stopped {
			return status, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return status, fmt.Errorf("service %s: %w", s.Name, context.Cause(ctx))
		}
	}
}

// ServiceState is what a service does, such as "running", and in which process.
func ServiceState(name string) (state string, pid uint32, err error) {
	err = onService(name, func(s *mgr.Service) error {
		status, err := s.Query()
		state, pid = serviceStates[status.State], status.ProcessId
		return err
	})
	return state, pid, err
}

var serviceStates = map[svc.State]string{
	svc.Stopped: "stopped", svc.StartPending: "starting", svc.StopPending: "stopping", svc.Running: "running",
	svc.ContinuePending: "continuing", svc.PausePending: "pausing", svc.Paused: "paused",
}

// RunService has serve do the work of a service that the service manager has
// started this process for: until the context ends, which is when the service is
// stopped or Windows is shut down. serve tells with the code, if that is not 0,
// that it has failed. Without service manager it fails with ErrNotStarted.
func RunService(name string, serve func(context.Context, *WindowsService) (code uint32)) error {
	err := svc.Run(name, handler{serve})
	if errors.Is(err, windows.ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) {
		return fmt.Errorf("service %s: %w", name, ErrNotStarted)
	}
	return err
}

// WindowsService tells the service manager how the service is doing.
type WindowsService struct{ states chan svc.State }

// Ready says that requests are served.
func (s *WindowsService) Ready() { s.states <- svc.Running }

// Stopping says that no more are taken.
func (s *WindowsService) Stopping() { s.states <- svc.StopPending }

// Status does nothing: Windows shows no such line.
func (*WindowsService) Status(string) {}

// Alive does nothing: Windows has no watchdog.
func (*WindowsService) Alive() {}

// Watchdog is 0.
func (*WindowsService) Watchdog() time.Duration { return 0 }

type handler struct {
	serve func(context.Context, *WindowsService) uint32
}

// errServiceStop is the cause of the end of a service's context.
var errServiceStop = errors.New("the service manager ends the service")

// Execute is the service's life, as the service manager sees it.
func (h handler) Execute(_ []string, requests <-chan svc.ChangeRequest, changes chan<- svc.Status) (specific bool, code uint32) {
	const accepted = svc.AcceptStop | svc.AcceptPreShutdown
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	status := svc.Status{State: svc.StartPending, WaitHint: uint32(preshutdown.Milliseconds())}
	changes <- status
	service := &WindowsService{make(chan svc.State)}
	ended := make(chan uint32, 1)
	go func() { ended <- h.serve(ctx, service) }()
	alive := time.NewTicker(time.Second)
	defer alive.Stop()
	for {
		select {
		case code := <-ended:
			return true, code
		case state := <-service.states:
			if status.State != svc.StopPending {
				status.State, status.Accepts, status.WaitHint = state, accepted, 0
			}
			if state == svc.StopPending {
				status.Accepts, status.WaitHint = 0, uint32(preshutdown.Milliseconds())
			}
		case r := <-requests:
			if r.Cmd == svc.Stop || r.Cmd == svc.PreShutdown {
				cancel(errServiceStop)
				status = svc.Status{State: svc.StopPending, WaitHint: uint32(preshutdown.Milliseconds())}
			}
		case <-alive.C:
			if status.State == svc.Running {
				continue
			}
			status.CheckPoint++ // so that nobody takes it for dead
		}
		changes <- status
	}
}
