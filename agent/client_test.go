package agent

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/agent/ilosession"
)

// waiting is an iLO that never answers, and its table that nobody can read.
type waiting struct{ begun chan struct{} }

func (w waiting) wait(ctx context.Context) error {
	close(w.begun)
	<-ctx.Done()
	return ctx.Err()
}

func (w waiting) RoundTrip(r *http.Request) (*http.Response, error) { return nil, w.wait(r.Context()) }
func (w waiting) Table(ctx context.Context) ([]api.ILOSession, error) {
	return nil, w.wait(ctx)
}
func (w waiting) Logout(ctx context.Context) error { return w.wait(ctx) }
func (w waiting) Terminate(ctx context.Context, _ string, _ ilosession.TerminateOptions) (api.ILOSession, error) {
	return api.ILOSession{}, w.wait(ctx)
}

// A request of this process that is given up fails with what ended it, in one
// line, whatever was asked for.
func TestARequestThatIsGivenUpSaysWhy(t *testing.T) {
	sessions, err := clients.Open(clients.Options{Limits: clients.DefaultLimits()})
	if err != nil {
		t.Fatal(err)
	}
	defer sessions.Close()
	signal := errors.New("interrupted by a signal")
	for _, request := range []string{
		"GET /ilod/v1/ilo-sessions", "GET /ilod/v1/ilo-sessions/x", "DELETE /ilod/v1/ilo-sessions/x", "DELETE /ilod/v1/ilo-sessions/current",
		"GET /ilod/v1/health", "GET /redfish/v1/", "OPTIONS /redfish/v1/", "PATCH /redfish/v1/Systems/1",
	} {
		for _, cause := range []error{signal, context.DeadlineExceeded, context.Canceled} {
			below := waiting{make(chan struct{})}
			g, err := gateway.New(gateway.Options{
				Next: reporting{gateway.Way(below, sessions)}, Clients: sessions, ILOSessions: below,
				Health: func(ctx context.Context, _ http.Header) (any, error) { return nil, below.wait(ctx) },
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() { <-below.begun; cancel(cause) }()
			method, path, _ := strings.Cut(request, " ")
			r, err := http.NewRequestWithContext(ctx, method, path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = (&Engine{handler: g}).RoundTrip(r)
			ended := errors.Is(err, cause) || errors.Is(err, context.Canceled) && strings.Contains(request, "redfish") // as Next says it
			if !ended || strings.ContainsAny(err.Error(), "\n{") || strings.Contains(err.Error(), "panic") {
				t.Errorf("%s, %v: %v", request, cause, err)
			}
		}
	}
}

// half is an answer that breaks off.
type half struct{ err error }

func (h half) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Request: r, ContentLength: -1, Body: io.NopCloser(io.MultiReader(strings.NewReader("half"), h))}, nil
}
func (h half) Read([]byte) (int, error) { return 0, h.err }

// An answer that breaks off tells its reader why.
func TestAnAnswerThatBreaksOffSaysWhy(t *testing.T) {
	sessions, err := clients.Open(clients.Options{Limits: clients.DefaultLimits()})
	if err != nil {
		t.Fatal(err)
	}
	defer sessions.Close()
	broken := errors.New("the channel was closed")
	g, err := gateway.New(gateway.Options{Next: half{broken}, Clients: sessions})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", "/redfish/v1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&Engine{handler: g}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); string(got) != "half" || err != broken {
		t.Errorf("%q %v", got, err)
	}
}

// A fault of the handler is still one.
func TestAPanicOfTheHandlerIsNoCut(t *testing.T) {
	e := &Engine{handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("fault") })}
	r, err := http.NewRequestWithContext(t.Context(), "GET", "/redfish/v1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.RoundTrip(r); err == nil || !strings.Contains(err.Error(), "panic: fault") {
		t.Error(err)
	}
}
