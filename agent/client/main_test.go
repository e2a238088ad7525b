package client_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent"
	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/cache"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// engine is an agent's rooms, with a simulated iLO below them. It is the Transport of the
// examples and the tests.
var engine *agent.Engine

// ilo is the simulated iLO as the transport of the engine.
type ilo struct{ http.Handler }

func (i ilo) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	in := r.Clone(r.Context())
	in.RequestURI, in.Host = r.URL.RequestURI(), "ilo"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	i.ServeHTTP(w, in)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

func (ilo) Close() error { return nil }

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "client")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if engine, err = start(dir); err != nil {
		fmt.Println(err)
		return 1
	}
	code := m.Run()
	if err := engine.Stop(); err != nil {
		fmt.Println(err)
		return 1
	}
	return code
}

func start(dir string) (*agent.Engine, error) {
	service, err := redfish.New(redfish.Options{})
	if err != nil {
		return nil, err
	}
	log := logrus.New()
	log.SetLevel(logrus.ErrorLevel)
	return agent.Start(context.Background(), agent.Options{
		Config: agent.DefaultConfig(filepath.Join(dir, "state"), filepath.Join(dir, "run")), Log: log,
		Unlock: func() error { return nil },
		Store: func(ctx context.Context) (agent.Store, error) {
			s, err := cache.Open(ctx, cache.Options{})
			return store{s}, err
		},
		ILO: agent.ILO{
			Transport: func(func()) (agent.Transport, error) { return ilo{service}, nil },
			NotSent:   func(error) bool { return false },
			Problem:   func(error) gateway.Problem { return gateway.Problem{} },
		},
		Serving: agent.Serving{Info: api.Agent{Version: "1.2.3", PID: os.Getpid()}},
	})
}

// store is in memory.
type store struct{ *cache.Store }

func (s store) State() any { return s.Stats() }
