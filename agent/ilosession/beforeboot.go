package ilosession

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/platform/ownedfile"
)

// reapBeforeBoot ends the sessions that host programs opened, and last used, before
// this host was booted: nobody is left who has their tokens. It does so once after
// each boot, since it takes the iLO's clock not to have been put forward between
// the login of a program of this boot and now; where boots cannot be told apart, never.
func (k *Keeper) reapBeforeBoot(ctx context.Context) error {
	if k.o.Uptime == nil || k.o.Boot == "" || k.o.Ledger.reaped(k.o.Boot) {
		return nil
	}
	table, err := k.table(ctx, internal{k})
	if err != nil {
		return fmt.Errorf("sessions from before the boot: %w", err)
	}
	// Asked for last: if anything the boot seems earlier, which spares sessions.
	uptime, err := k.o.Uptime()
	if err != nil {
		return fmt.Errorf("sessions from before the boot: %w", err)
	}
	var errs []error
	for _, e := range table {
		if !beforeBoot(e, uptime) {
			continue
		}
		if _, err := k.terminate(ctx, internal{k}, e.ID, false, unusedSince(e)); err != nil && !errors.Is(err, ErrNoSession) {
			errs = append(errs, fmt.Errorf("session from before the boot: %w", err))
		}
	}
	if errs == nil {
		k.o.Ledger.setReaped(k.o.Boot)
	}
	return errors.Join(errs...)
}

// beforeBoot reports a session of a host program that was not used during the
// host's uptime, all by the iLO's clock; it reports none if that is not known. What
// whole seconds hide is added to the time before the boot: no program has a session so
// soon after the kernel's start.
func beforeBoot(t api.ILOSession, uptime time.Duration) bool {
	boot := t.Read.Add(clockSlack - uptime)
	return t.InBand && !t.Ours && !t.Current && !t.Login.IsZero() && !t.Access.IsZero() &&
		t.Login.Before(boot) && t.Access.Before(boot)
}

// reapedFile in the runtime directory names the boot after which the sessions of
// earlier ones have been looked for.
const reapedFile = "reaped-before-boot"

func (l *Ledger) reaped(boot string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.reapedBoot && l.runtime != "" {
		text, err := ownedfile.ReadFile(filepath.Join(l.runtime, reapedFile))
		l.reapedBoot = err == nil && string(text) == boot
	}
	return l.reapedBoot
}

func (l *Ledger) setReaped(boot string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reapedBoot = true
	if l.runtime == "" {
		return
	}
	if err := l.replace(l.runtime, reapedFile, []byte(boot)); err != nil {
		l.warn("session ledger: a file cannot be written", err)
	}
}
