package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/agent/pause"
)

// listeners are those of an engine that serves.
type listeners struct {
	e           *Engine
	server      *http.Server
	connections *gateway.Connections
	accepting   sync.WaitGroup

	mu     sync.Mutex
	all    []net.Listener
	closed bool
	tls    *api.Listener // nil: none is configured
}

// open takes the listeners that the engine is given, and makes the one with TLS. If
// that cannot listen now, the others serve meanwhile.
func (l *listeners) open(ctx context.Context) error {
	given, err := l.e.o.Serving.Listen(ctx)
	if err != nil {
		return err
	}
	config := &l.e.o.Config.TLS
	var forTLS net.Listener
	for i, one := range given {
		if one.Addr().Network() != "tcp" {
			l.serve(l.connections.Listener(one))
			continue
		}
		if config.Listen == "" || forTLS != nil {
			err := fmt.Errorf("%w: the service manager holds the TCP socket %v open, and tls.listen is %q: set tls.listen to that one address, or disable ilod-tls.socket",
				ErrConfig, one.Addr(), config.Listen)
			for _, rest := range given[i:] {
				err = errors.Join(err, rest.Close())
			}
			return err
		}
		forTLS = one
	}
	if config.Listen == "" {
		return nil
	}
	l.tls = &api.Listener{Address: config.Listen}
	if forTLS != nil {
		l.tls.Address = forTLS.Addr().String()
	}
	if l.openTLS(ctx, forTLS) != nil {
		l.e.life.spawn("TLS listener", func(ctx context.Context) error {
			for pause.For(ctx, tlsPause) {
				if l.openTLS(ctx, forTLS) == nil {
					return nil
				}
			}
			if forTLS != nil { // nobody else knows it
				return forTLS.Close()
			}
			return nil
		})
	}
	return nil
}

// tlsPause is between two attempts to listen with TLS; tests change it.
var tlsPause = 10 * time.Second

// openTLS serves on a listener with TLS: on the one that the service manager gave,
// or a new one.
func (l *listeners) openTLS(ctx context.Context, plain net.Listener) error {
	c := &l.e.o.Config
	err := func() error {
		certificate, err := c.certificate()
		if err != nil {
			return err
		}
		if plain == nil {
			if plain, err = new(net.ListenConfig).Listen(ctx, "tcp", c.TLS.Listen); err != nil {
				return err
			}
		}
		l.serve(tls.NewListener(l.connections.Listener(plain), &tls.Config{
			Certificates: []tls.Certificate{certificate},
			MinVersion:   tls.VersionTLS12,
			NextProtos:   []string{"http/1.1"},
		}))
		return nil
	}()
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.tls.Error
	l.tls.Error = ""
	if err != nil {
		l.tls.Error = err.Error()
		if before != l.tls.Error {
			l.e.log.WithError(err).Error("the TLS listener could not start; the agent retries, and serves the socket meanwhile")
		}
	}
	return err
}

// tlsStatus is nil without a TLS listener.
func (e *Engine) tlsStatus() *api.Listener {
	l := e.listeners.Load()
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tls == nil {
		return nil
	}
	return new(*l.tls)
}

// serve accepts until close.
func (l *listeners) serve(one net.Listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = one.Close()
		return
	}
	l.all = append(l.all, one)
	l.accepting.Add(1)
	l.e.life.spawn("listener "+one.Addr().String(), func(context.Context) error {
		defer l.accepting.Done()
		if err := l.server.Serve(one); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	l.e.log.WithField("address", one.Addr().String()).Info("listening")
}

// close accepts no more, and finishes what is under way.
func (l *listeners) close() error {
	l.mu.Lock()
	l.closed = true
	var errs []error
	for _, one := range l.all {
		errs = append(errs, one.Close())
	}
	l.mu.Unlock()
	l.accepting.Wait()
	l.connections.Drain(l.server)
	return errors.Join(append(errs, shutdown(l.server))...)
}
