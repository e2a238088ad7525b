package clients

import (
	"fmt"
	"time"

	"github.com/sirupsen/logrus"
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

// Bump raises the version: the iLO session underneath has changed, and every
// handle made before is stale.
func (r *Registry) Bump(why string) {
	r.locked(func(time.Time) {
		r.version++
		r.write(record{Version: r.version})
		r.o.Log.WithFields(logrus.Fields{"version": r.version, "why": why}).Info("the handles of client sessions are stale")
	})
}
