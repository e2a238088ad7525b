package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent"
	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/agent/redfisherror"
	"github.com/ilod/ilod/agent/schedule"
	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/agent/server/selection"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/cmd/ilod/agentsocket"
	"github.com/ilod/ilod/cmd/ilod/doctor"
	"github.com/ilod/ilod/cmd/ilod/script"
	"github.com/ilod/ilod/platform"
)

// exitCode is one row of the table of exit codes.
type exitCode struct {
	code    int
	name    string
	meaning string
	hint    string           // what to do about it
	is      func(error) bool // whether an error belongs to the row
}

// exitCodes is the table. Numbers and names up to 89 are those of HPE's ilorest
// where the meaning is the same (its rdmc_helper.py); those from 90 up are ours. An
// error belongs to the first row that claims it.
var exitCodes = []exitCode{
	{129, "SIGHUP", "ended by SIGHUP", "", isSignal(1)},
	{130, "SIGINT", "ended by SIGINT", "", isSignal(2)},
	{143, "SIGTERM", "ended by SIGTERM", "", isSignal(15)},
	{0, "SUCCESS", "success", "", nil},
	{2, "USAGE", "bad flag, path, method, header or file", "see 'ilod help'", func(err error) bool {
		_, usage := errors.AsType[*usageError](err)
		_, syntax := errors.AsType[*script.SyntaxError](err)
		return usage || syntax || is(chif.ErrInvalidRequest, agent.ErrConfig, selection.ErrSelector, selection.ErrFilter, selection.ErrAssignment)(err)
	}},
	{5, "USER_NOT_ADMIN", "this user may not open an iLO channel",
		"run as root: whoever can open a channel is the iLO's administrator", is(chif.ErrPermission)},
	{4, "INVALID_FILE_FORMATTING", "a file does not have the format that the command reads", "see the command's --help", is(errFileForm)},
	{7, "INVALID_FILE_INPUT", "a file cannot be read or written", "", is(errFile)},
	{8, "NO_CHANGES_MADE_OR_FOUND", "there is nothing to change, or nothing waits to be changed", "", is(errNoChanges)},
	{24, "NOTHING_SELECTED", "no type is selected", "give --select TYPE; with an agent, 'ilod select TYPE' remembers it", is(errNothingSelected)},
	{25, "NOTHING_SELECTED_FILTER", "no resource matches the filter", "see 'ilod list'", is(selection.ErrNoMatch)},
	{27, "INVALID_SELECTION", "there is no resource of that type, or several where one is needed", "see 'ilod types'", is(selection.ErrNoType, errSeveral)},
	{28, "VALIDATION", "the iLO would refuse the change, so it was not sent", "see 'ilod info PROPERTY'", is(selection.ErrValue)},
	{6, "NO_CONTENTS_FOUND", "the resource has no such property", "see 'ilod list'", is(selection.ErrNoProperty, schema.ErrNoProperty)},
	{34, "CHIF_DRIVER_MISSING", "this host has no iLO channel", "run 'ilod doctor'", is(chif.ErrNoDevice, chif.ErrUnsupportedPlatform)},
	{67, "CREATE_AND_PREPARE_CHANNEL", "every iLO channel is taken, or the iLO is resetting",
		"try again later; other HPE tools hold channels too", is(chif.ErrBusy, schedule.ErrQueueFull)},
	{75, "SECURITY_STATE", "the iLO's security state refuses the host, or asks it for credentials",
		"use Redfish over the network or the virtual NIC (https://16.1.15.1) with credentials", is(chif.ErrRefused, chif.ErrCredentialsRequired)},
	{outcomeUnknown, "OUTCOME_UNKNOWN", "the request was sent and its answer was lost; it was not sent again",
		"look at the resource before you send the request again", func(err error) bool {
			return is(chif.ErrOutcomeUnknown, ilosession.ErrMayRemain)(err) && !errors.Is(err, ilosession.ErrNoLogin)
		}},
	{91, "ILO_SESSION_LIMIT", "the iLO's session table is full",
		"end one and log in: 'ilod ilo-sessions terminate ID --login'; or end one in the iLO's web interface; or wait for the iLO's idle timeout", is(ilosession.ErrSessionLimit)},
	{92, "INSTANCE_LOCKED", "another ilod is at work on this host", "wait for it, or raise --timeout", is(platform.ErrLocked)},
	{93, "NOT_CACHED", "the cache has no usable answer, and --offline forbids asking the iLO", "leave --offline out", is(errNotCached)},
	{94, "NO_AGENT", "no agent is running", "start it: 'ilod agent', or 'systemctl start ilod'", is(agentsocket.ErrNoAgent)},
	{95, "CLIENT_SESSION_LIMIT", "the agent has no room for another client session",
		"end one in the same step: 'ilod session new --terminate ID'; or have an admin raise the maximum: 'ilod limits set'", is(client.ErrSessionLimit)},
	{96, "CLIENT_SESSION_REQUIRED", "the agent takes no requests without a client session", newSessionHint, is(client.ErrSessionRequired)},
	{97, "NO_TRANSACTION", "the client session has no open transaction", "open one with 'ilod tx begin'", is(client.ErrNoTransaction)},
	{98, "TRANSACTION_OPEN", "the client session has an open transaction already", "see 'ilod tx status'", is(client.ErrTransactionOpen)},
	{109, "TRANSACTION_IMPOSSIBLE", "the client session ends with each request, so it cannot have a transaction",
		"use 'ilod tx run' or 'ilod batch'; or have an admin set another limit: 'ilod limits set inactivity-timeout=30m'", is(client.ErrTransactionImpossible)},
	{99, "ACTION_IN_TRANSACTION", "an action cannot be undone, so it is not part of a transaction",
		"send it at once with 'ilod raw --immediate'", is(client.ErrAction)},
	{100, "TRANSACTION_ERRANT", "a write was refused, so the transaction was discarded", "begin again, without that write", is(client.ErrErrant)},
	{102, "TRANSACTION_PARTLY_ROLLED_BACK", "the commit failed, and some of its writes could not be undone",
		"look at the resources that are not undone", is(client.ErrPartlyRolledBack)},
	{105, "TRANSACTION_ACCEPTED", "the iLO has accepted all writes, and is still working on one", "read the resources later; the result names the iLO's task", is(errAccepted)},
	{45, "FAILURE_DURING_COMMIT", "commit, set or load failed, and nothing is changed", "", is(errCommit)},
	{103, "STALE_RESOURCE", "a resource has changed since its write was staged", "look at the resource and begin again", is(client.ErrStale)},
	{101, "TRANSACTION_ROLLED_BACK", "the commit failed, and nothing is changed", "", is(client.ErrRolledBack)},
	{32, "INVALID_CREDENTIALS", "the iLO refused the login",
		"if it requires host authentication, name an account in the credentials-file of ilod.toml; else its session table may be full: wait before you try again", is(ilosession.ErrCredentials)},
	{104, "PARTLY_READ", "some resources could not be read; the rest is complete", "try again later; ilod has named what it could not read", func(err error) bool {
		_, is := errors.AsType[*partlyError](err)
		return is
	}},
	{sessionExpired, "SESSION_EXPIRED", "the session has ended: the iLO's, or the client session of the handle", "run the command again", func(err error) bool {
		e, ok := errors.AsType[*redfisherror.Error](err)
		return ok && e.Status == http.StatusUnauthorized
	}},
	{63, "ILO_RESPONSE", "the iLO answered with an error status", "", func(err error) bool {
		_, ok := errors.AsType[*redfisherror.Error](err)
		return ok
	}},
	{71, "CHIF_PACKET_EXCHANGE", "the iLO's answer broke the protocol", "try again; if it persists, reset the iLO", func(err error) bool {
		_, code := errors.AsType[chif.Code](err)
		return code || errors.Is(err, chif.ErrProtocol)
	}},
	{33, "SERVER_DOWN_OR_UNREACHABLE", "the iLO is resetting or did not answer in time",
		"try again in a minute or two, or raise --timeout", is(chif.ErrTimeout, chif.ErrReset, context.DeadlineExceeded, ilosession.ErrMayRemain)},
	{general, "GENERAL", "any other error", "", func(error) bool { return true }},
}

const (
	sessionExpired = 30
	outcomeUnknown = 90
	// general is the code of errors that belong to no other row.
	general = 255
)

const newSessionHint = "make one with 'ilod session new'"

// is claims errors that match one of the targets.
func is(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
}

// classify finds the row of an error and what to do about it.
func classify(err error) (row exitCode, hint string) {
	if row, ok := told(err); ok {
		return row, cmp.Or(whomToAsk(err), row.hint)
	}
	for _, row = range exitCodes {
		if row.is != nil && row.is(err) {
			break
		}
	}
	if u, ok := errors.AsType[*usageError](err); ok {
		return row, u.hint
	}
	if e, ok := errors.AsType[*script.SyntaxError](err); ok {
		return row, e.Hint
	}
	if e, ok := errors.AsType[*chif.NoDeviceError](err); ok {
		return row, doctor.Remedy(e.Reason)
	}
	if hint := whomToAsk(err); hint != "" {
		return row, hint
	}
	switch {
	case errors.Is(err, errAgentRuns):
		return row, "commands use it by themselves; 'ilod agent stop' ends it"
	case errors.Is(err, selection.ErrSelector):
		return row, "see 'ilod types'"
	case errors.Is(err, selection.ErrFilter):
		return row, "for example --filter 'Model=HPE*'"
	case errors.Is(err, selection.ErrAssignment):
		return row, "for example AssetTag='rack 7'; quote a value with blanks"
	case is(client.ErrHandleStale)(err):
		return row, "'ilod session use ID' prints a fresh handle; what you know of the server may be out of date"
	case is(client.ErrSessionExpired, client.ErrSessionTerminated, client.ErrHandle)(err):
		return row, newSessionHint + "; without ILOD_SESSION and --session the default one is used"
	case errors.Is(err, ilosession.ErrMayRemain) && !errors.Is(err, ilosession.ErrNoLogin):
		return row, "an idle session ends by itself, after 30 minutes unless the iLO is set otherwise"
	}
	return row, row.hint
}

// told finds the row that an agent names in its answer; see problem.
func told(err error) (exitCode, bool) {
	e, _ := errors.AsType[*redfisherror.Error](err)
	if e == nil || e.Status < http.StatusBadRequest || len(e.Messages) != 1 {
		return exitCode{}, false
	}
	for _, row := range exitCodes {
		if causes[row.code] != gateway.Unknown && strings.Contains(e.Messages[0].Text, row.name+": ") {
			return row, true
		}
	}
	return exitCode{}, false
}

// exitCodesTopic is the help topic that prints the table.
func exitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("The exit codes of ilod. Those from 4 to 89 are HPE's ilorest's.\n")
	for code := range 256 {
		for _, row := range exitCodes {
			if row.code == code {
				fmt.Fprintf(&b, "\n%4d  %-30s %s", row.code, row.name, row.meaning)
			}
		}
	}
	return &cobra.Command{Use: "exit-codes", Short: "The exit codes of ilod", Long: b.String()}
}
