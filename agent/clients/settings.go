package clients

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/api"
)

// RotateKey makes every handle invalid; the sessions stay. If the new key cannot
// be kept for the next start, it fails and all stays as it was.
func (r *Registry) RotateKey() error {
	secret := newSecret()
	r.disk.Lock()
	defer r.disk.Unlock()
	if r.journal != nil {
		if err := r.journal.replace(keyFile, secret, true); err != nil {
			return fmt.Errorf("key of the client sessions: %w", err)
		}
	}
	r.key.Store(newMACKey(secret))
	return nil
}

// Limits are the present ones. It takes no lock.
func (r *Registry) Limits() api.Limits { return *r.limits.Load() }

// SetLimits changes the limits, and keeps them across restarts. It fails with
// ErrVariable, or if they cannot be kept; all stays as it was then.
func (r *Registry) SetLimits(l api.Limits) error {
	if err := checkLimits(&l); err != nil {
		return err
	}
	if err := r.keepLimits(l); err != nil {
		return fmt.Errorf("limits of client sessions: %w", err)
	}
	r.locked(func(time.Time) {}) // what has expired with them goes
	return nil
}

func (r *Registry) keepLimits(l api.Limits) error {
	r.disk.Lock()
	defer r.disk.Unlock()
	if r.journal != nil {
		text, _ := json.Marshal(l) // numbers and words always encode
		if err := r.journal.replace(limitsFile, append(text, '\n'), true); err != nil {
			return err
		}
	}
	r.limits.Store(&l)
	return nil
}

// Bump raises the version: the iLO session underneath has changed, and every
// handle made before is stale.
func (r *Registry) Bump(why string) {
	r.locked(func(time.Time) {
		r.version++
		r.write(record{Version: r.version})
		r.o.Log.WithFields(logrus.Fields{"version": r.version, "why": why}).Info("the handles of client sessions are stale")
	})
}
