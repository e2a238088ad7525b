package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/agent/redfisherror"
	"github.com/ilod/ilod/chif"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{&usageError{"x", ""}, 2},
		{chif.ErrInvalidRequest, 2},
		{chif.ErrPermission, 5},
		{&redfisherror.Error{Status: 401}, 30},
		{fmt.Errorf("%w: %w", ilosession.ErrCredentials, &redfisherror.Error{Status: 401}), 32},
		{chif.ErrTimeout, 33},
		{chif.ErrReset, 33},
		{context.DeadlineExceeded, 33},
		{&chif.NoDeviceError{Reason: chif.NoModule}, 34},
		{chif.ErrUnsupportedPlatform, 34},
		{&redfisherror.Error{Status: 403}, 63},
		{chif.ErrBusy, 67},
		{chif.ErrProtocol, 71},
		{chif.CodeNotFound, 71},
		{chif.ErrRefused, 75},
		{chif.ErrCredentialsRequired, 75},
		{chif.ErrOutcomeUnknown, 90},
		{fmt.Errorf("%w: %w", chif.ErrOutcomeUnknown, chif.ErrTimeout), 90},
		{fmt.Errorf("%w: %w", ilosession.ErrMayRemain, chif.ErrReset), 90},
		{fmt.Errorf("%w: %w: %w", ilosession.ErrNoLogin, ilosession.ErrMayRemain, chif.ErrOutcomeUnknown), 33},
		{fmt.Errorf("%w: %w: %w", ilosession.ErrNoLogin, ilosession.ErrMayRemain, chif.ErrBusy), 67},
		{fmt.Errorf("%w: %w", ilosession.ErrSessionLimit, &redfisherror.Error{Status: 401}), 91},
		{fmt.Errorf("%w: %w", interrupted{syscall.SIGHUP}, chif.ErrOutcomeUnknown), 129},
		{interrupted{syscall.SIGINT}, 130},
		{fmt.Errorf("%w: %w", interrupted{syscall.SIGTERM}, context.Canceled), 143},
		{chif.ErrTooLarge, 255},
		{ilosession.ErrClosed, 255},
		{errors.New("anything"), 255},
	} {
		if row, _ := classify(fmt.Errorf("wrapped: %w", c.err)); row.code != c.code {
			t.Errorf("%v: %d, want %d", c.err, row.code, c.code)
		}
	}
	for _, reason := range []chif.NoDeviceReason{chif.NoModule, chif.VirtualMachine, chif.NoSocket} {
		if _, hint := classify(&chif.NoDeviceError{Reason: reason}); hint != reason.Remedy() {
			t.Errorf("hint %q", hint)
		}
	}
}

func TestReadmeListsExitCodes(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range exitCodes {
		if line := fmt.Sprintf("| %d | %s | %s |\n", row.code, row.name, row.meaning); !strings.Contains(string(readme), line) {
			t.Errorf("README.md lacks %s", line)
		}
	}
}
