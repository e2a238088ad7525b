//go:build !linux

package chif

import (
	"fmt"
	"runtime"
)

func unsupported() (Device, error) {
	return nil, fmt.Errorf("%s: %w", runtime.GOOS, ErrUnsupportedPlatform)
}

func platformDevice() (Device, error) { return unsupported() }

func platformNodes(string) (Device, error) { return unsupported() }

func platformSocket(string) (Device, error) { return unsupported() }
