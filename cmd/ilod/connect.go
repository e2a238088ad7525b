package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/chif"
)

// busyTimeout is how long to wait for a channel when --timeout allows it.
const busyTimeout = 30 * time.Second

// bounded runs f with a context that ends with --timeout or at a signal.
func (a *app) bounded(ctx context.Context, f func(context.Context) error) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	limited, cancel := context.WithTimeout(ctx, time.Duration(a.config.Timeout))
	defer cancel()
	err := f(limited)
	var signal interrupted
	if err == nil || !errors.As(context.Cause(ctx), &signal) {
		return err
	}
	if _, reported := err.(reportedError); reported {
		return signal
	}
	return fmt.Errorf("%w: %w", signal, err)
}

// withTransport runs f with a transport whose channels are closed in the end.
func (a *app) withTransport(d chif.Device, o chif.TransportOptions, f func(*chif.Transport) error) error {
	o.BusyTimeout = min(cmp.Or(o.BusyTimeout, busyTimeout), time.Duration(a.config.Timeout))
	o.OnReset = func() { a.log.Warn("the iLO was reset") }
	t := chif.NewTransport(d, o)
	err := f(t)
	if closing := t.Close(); err == nil {
		err = closing
	}
	return err
}

// withSession runs f with an iLO session that is deleted in the end, whatever
// happens.
func (a *app) withSession(ctx context.Context, f func(context.Context, *ilosession.Session) error) error {
	device, err := chif.ParseDevice(a.config.Device)
	if err != nil {
		return err
	}
	return a.bounded(ctx, func(ctx context.Context) error {
		return a.withTransport(device, chif.TransportOptions{}, func(t *chif.Transport) (err error) {
			s, err := ilosession.Login(ctx, logged{t, a.log}, ilosession.Options{
				NotSent: func(err error) bool { return errors.Is(err, chif.ErrNotSent) },
			})
			if err != nil {
				return err
			}
			defer func() {
				closing := s.Close(ctx)
				if closing != nil {
					closing = fmt.Errorf("%w: %w", ilosession.ErrMayRemain, closing)
				}
				if err == nil {
					err = closing
				} else if closing != nil {
					a.report(closing)
				}
			}()
			return f(ctx, s)
		})
	})
}

// logged tells the log about each exchange.
type logged struct {
	next http.RoundTripper
	log  *logrus.Logger
}

func (l logged) RoundTrip(req *http.Request) (*http.Response, error) {
	start := time.Now()
	resp, err := l.next.RoundTrip(req)
	entry := l.log.WithFields(logrus.Fields{
		"method": req.Method, "path": req.URL.RequestURI(), "took": time.Since(start).Round(time.Millisecond),
	})
	if err != nil {
		entry.WithError(err).Info("no answer")
		return nil, err
	}
	entry.WithField("status", resp.StatusCode).Info("answer")
	entry.WithField("headers", resp.Header).Debug("answer's headers")
	return resp, nil
}
