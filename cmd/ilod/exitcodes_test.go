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
	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/agent/server/selection"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/cmd/ilod/doctor"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{&usageError{"x", ""}, 2},
		{chif.ErrInvalidRequest, 2},
		{errFileForm, 4},
		{chif.ErrPermission, 5},
		{selection.ErrNoProperty, 6},
		{schema.ErrNoProperty, 6},
		{errFile, 7},
		{errNoChanges, 8},
		{&partlyError{}, 104},
		{&partlyError{[]selection.Unread{{Path: "/x", Err: chif.ErrTimeout}}}, 104},
		{errNothingSelected, 24},
		{selection.ErrNoMatch, 25},
		{selection.ErrNoType, 27},
		{errSeveral, 27},
		{fmt.Errorf("%w: %w", selection.ErrValue, schema.ErrNoProperty), 28},
		{fmt.Errorf("%w: %w", errCommit, &redfisherror.Error{Status: 409}), 45},
		{selection.ErrSelector, 2},
		{selection.ErrFilter, 2},
		{selection.ErrAssignment, 2},
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
		{said(503, "Ilod.1.0.SessionLimit"), 95},
		{cancelled{said(503, "Ilod.1.0.SessionLimit")}, 95},
		{said(401, "Ilod.1.0.SessionRequired"), 96},
		{said(404, "Ilod.1.0.NoTransaction"), 97},
		{said(409, "Ilod.1.0.TransactionOpen"), 98},
		{said(409, "Ilod.1.0.TransactionImpossible"), 109},
		{said(409, "Ilod.1.0.ActionInTransaction"), 99},
		{said(409, "Ilod.1.0.TransactionErrant"), 100},
		{said(409, "Ilod.1.0.TransactionRolledBack"), 101},
		{said(409, "Ilod.1.0.TransactionPartlyRolledBack", "Ilod.1.0.StaleResource"), 102},
		{said(409, "Ilod.1.0.TransactionRolledBack", "Ilod.1.0.StaleResource"), 103},
		{fmt.Errorf("%w: %w", chif.ErrOutcomeUnknown, said(409, "Ilod.1.0.TransactionPartlyRolledBack")), 90},
		{said(401, "Ilod.1.0.SessionExpired"), 30},
		{said(404, "Other.1.0.NoTransaction"), 63},
		{chif.ErrTooLarge, 255},
		{ilosession.ErrClosed, 255},
		{errors.New("anything"), 255},
	} {
		if row, _ := classify(fmt.Errorf("wrapped: %w", c.err)); row.code != c.code {
			t.Errorf("%v: %d, want %d", c.err, row.code, c.code)
		}
	}
	for _, reason := range []chif.NoDeviceReason{chif.NoModule, chif.VirtualMachine, chif.NoSocket} {
		if _, hint := classify(&chif.NoDeviceError{Reason: reason}); hint != doctor.Remedy(reason) {
			t.Errorf("hint %q", hint)
		}
	}
}

// said is a refusal with these messages.
func said(status int, ids ...string) error {
	e := &redfisherror.Error{Status: status}
	for _, id := range ids {
		e.Messages = append(e.Messages, redfisherror.Message{ID: id})
	}
	return e
}

func TestExitCodesReference(t *testing.T) {
	reference, err := os.ReadFile("COMMANDS.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range exitCodes {
		if line := fmt.Sprintf("| %d | %s | %s |\n", row.code, row.name, row.meaning); !strings.Contains(string(reference), line) {
			t.Errorf("COMMANDS.md lacks %s", line)
		}
	}
}

// TestExitCodesAreUnique: a code has one meaning.
func TestExitCodesAreUnique(t *testing.T) {
	meanings := map[int]string{}
	for _, row := range exitCodes {
		if other, twice := meanings[row.code]; twice {
			t.Errorf("%d is %s and %s", row.code, other, row.name)
		}
		meanings[row.code] = row.name
	}
}

// TestToldByOneMessage: an agent's answer names an exit code in its one message. An
// answer of several messages is the iLO's own, whatever they quote.
func TestToldByOneMessage(t *testing.T) {
	busy := redfisherror.Message{Text: "CREATE_AND_PREPARE_CHANNEL: every channel is taken"}
	for _, c := range []struct {
		status   int
		messages []redfisherror.Message
		want     bool
	}{
		{503, []redfisherror.Message{busy}, true},
		{400, []redfisherror.Message{busy}, true},
		{503, []redfisherror.Message{busy, {Text: "another"}}, false},
		{503, nil, false},
		{200, []redfisherror.Message{busy}, false},
		{503, []redfisherror.Message{{Text: "CREATE_AND_PREPARE_CHANNEL"}}, false},
		{503, []redfisherror.Message{{Text: "NO_CHANGES_MADE_OR_FOUND: no row of an agent"}}, false},
	} {
		row, ok := told(&redfisherror.Error{Status: c.status, Messages: c.messages})
		if ok != c.want || ok && row.code != 67 {
			t.Errorf("%d %v: %v, %v", c.status, c.messages, row.code, ok)
		}
	}
}
