package ilosession

import (
	"context"
	"fmt"
	"net/http"
)

// Logout deletes the session, if there is one, when the requests in flight have
// ended; new ones wait and then run in another session. If ctx ends before, the
// session stays. Errors are ErrMayRemain, ErrClosed and the cause of ctx.
func (k *Keeper) Logout(ctx context.Context) error {
	return k.turn(ctx, http.MethodDelete, func() error { return k.logoutNow(ctx) })
}

func (k *Keeper) logoutNow(ctx context.Context) error {
	leave, err := k.enter()
	if err != nil {
		return err
	}
	defer leave()
	k.mu.Lock()
	for k.change != nil {
		c := k.change
		k.mu.Unlock()
		select {
		case <-c.done:
		case <-ctx.Done():
			return fmt.Errorf("wait for a login: %w", context.Cause(ctx))
		}
		k.mu.Lock()
	}
	h := k.current
	if h == nil {
		k.mu.Unlock()
		return nil
	}
	c, idle := k.begin(), make(chan struct{})
	k.current = nil
	if h.idle = idle; h.users == 0 {
		close(idle)
	}
	k.mu.Unlock()
	defer k.end(c, nil)
	select {
	case <-idle:
		return k.logout(ctx, h, "somebody has asked for it")
	case <-ctx.Done():
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.current, h.idle = h, nil
	return fmt.Errorf("wait for requests in flight: %w", context.Cause(ctx))
}
