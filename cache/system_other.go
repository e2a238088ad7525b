//go:build !linux && !windows

package cache

import "errors"

func lock(string) (unlock func(), err error) { return nil, errors.ErrUnsupported }

func freeSpace(string) (uint64, error) { return 0, errors.ErrUnsupported }
