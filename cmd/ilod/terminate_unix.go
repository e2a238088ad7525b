//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"syscall"
)

// terminate has a process of ours end in order.
func (a *app) terminate(_ context.Context, pid int) error {
	process, err := os.FindProcess(pid)
	if err == nil {
		err = process.Signal(syscall.SIGTERM)
	}
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}
