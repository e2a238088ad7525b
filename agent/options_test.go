package agent

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/cache"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/platform"
)

// wholeOptions are those of the program: a cache on disk, a socket, and who is at
// its other end.
func wholeOptions(config Config, log *logrus.Logger, lock *platform.Lock, device chif.Device) Options {
	return Options{
		Config: config, Log: log, Unlock: lock.Release,
		Store: func(ctx context.Context) (Store, error) {
			s, err := cache.Open(ctx, cache.Options{Dir: filepath.Join(config.StateDir, "cache")})
			return diskStore{s}, err
		},
		ILO: ILO{
			Transport: func(onReset func()) (Transport, error) {
				return chif.NewTransport(device, chif.TransportOptions{MaxChannels: config.Channels, OnReset: onReset})
			},
			NotSent: func(err error) bool { return errors.Is(err, chif.ErrNotSent) },
			Problem: func(error) gateway.Problem { return gateway.Problem{} },
		},
		Serving: serving(config, lock),
	}
}
