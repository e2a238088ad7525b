package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/transaction"
)

// ownRegistry begins the ids of the messages of own.
const ownRegistry = "Ilod.1.0."

// own holds the messages about what the Base registry has no words for.
var own = map[string]message{
	"ActionInTransaction":         {"An action cannot be undone, so it cannot be part of a transaction.", 0, "Warning", "Send the action with the header 'Ilod-Transaction: immediate', or after the transaction."},
	"NoTransaction":               {"The client session has no open transaction.", 0, "Warning", "Begin one with POST /ilod/v1/transaction."},
	"SessionExpired":              {"The client session has expired.", 0, "Warning", "Create a new client session."},
	"SessionHandleInvalid":        {"The handle of the client session is not valid.", 0, "Critical", "Create a client session, or ask for a new handle of yours."},
	"SessionLimit":                {"The maximum number of client sessions is reached.", 0, "Critical", "End client sessions in the same step: those that the parameter 'terminate' names."},
	"SessionRequired":             {"The user %1 must name a client session: the default one is not allowed.", 1, "Critical", "Create a client session with POST /ilod/v1/sessions, and send its handle as X-Auth-Token."},
	"SessionTerminated":           {"The client session was terminated.", 0, "Warning", "Create a new client session."},
	"SessionVersionStale":         {"The session on the iLO has changed since the client session's handle was made.", 0, "Warning", "Read again what you rely on, and ask for a new handle with POST /ilod/v1/sessions/ID/handle."},
	"StaleResource":               {"A resource has changed since the write of it was staged.", 0, "Warning", "Read the resource and begin again."},
	"TransactionErrant":           {"A write of the transaction was refused, so it was rolled back.", 0, "Warning", "Begin again without that write."},
	"TransactionImpossible":       {"The client session ends with the request, so it cannot have a transaction.", 0, "Warning", "Use ilod tx run or ilod batch, whose session lasts as long as the command, or have an admin set another inactivity-timeout."},
	"TransactionOpen":             {"The client session has an open transaction already.", 0, "Warning", "Commit it or roll it back."},
	"TransactionPartlyRolledBack": {"The transaction failed, and some of its changes could not be undone.", 0, "Critical", "Look at the outcome of each write, and read the resources."},
	"TransactionRolledBack":       {"The transaction failed, and its changes were undone.", 0, "Warning", "Look at the outcome of each write."},
	"UserUnknown":                 {"There is no user %1, and nobody of that name has a client session.", 1, "Warning", "Look for the name with GET /ilod/v1/sessions."},
}

// ownFailures are the answers to errors about client sessions and transactions.
var ownFailures = []struct {
	err    error
	status int
	key    string
}{
	{clients.ErrHandle, http.StatusUnauthorized, "SessionHandleInvalid"},
	{clients.ErrExpired, http.StatusUnauthorized, "SessionExpired"},
	{clients.ErrTerminated, http.StatusUnauthorized, "SessionTerminated"},
	{clients.ErrStale, http.StatusUnauthorized, "SessionVersionStale"},
	{clients.ErrForceSessions, http.StatusUnauthorized, "SessionRequired"},
	{clients.ErrOneRequest, http.StatusConflict, "TransactionImpossible"},
	{clients.ErrNoSession, http.StatusNotFound, "ResourceMissingAtURI"},
	{clients.ErrRootReadOnly, http.StatusMethodNotAllowed, "OperationNotAllowed"},
	{clients.ErrSubtree, http.StatusBadRequest, "QueryNotSupported"},
	{transaction.ErrNone, http.StatusNotFound, "NoTransaction"},
	{transaction.ErrOpen, http.StatusConflict, "TransactionOpen"},
	{transaction.ErrErrant, http.StatusConflict, "TransactionErrant"},
	{transaction.ErrAction, http.StatusConflict, "ActionInTransaction"},
	{transaction.ErrStale, http.StatusPreconditionFailed, "StaleResource"},
	{transaction.ErrForbidden, http.StatusForbidden, "InsufficientPrivilege"},
	{transaction.ErrLarge, http.StatusRequestEntityTooLarge, "PayloadTooLarge"},
	{transaction.ErrHeld, http.StatusConflict, "ResourceInUse"},
	{transaction.ErrNoReport, http.StatusNotFound, "ResourceMissingAtURI"},
	{transaction.ErrTimeout, http.StatusBadRequest, "GeneralError"},
	{transaction.ErrClosed, http.StatusServiceUnavailable, "ServiceTemporarilyUnavailable"},
}

// ownFailure is the answer to an error about a client session or a transaction,
// nil for others.
func ownFailure(c *call, err error) *failure {
	if limit, ok := errors.AsType[*clients.LimitError](err); ok {
		f := &failure{status: http.StatusServiceUnavailable, key: "SessionLimit", text: sentence(err), retry: time.Minute}
		f.room = &api.Room{MustEnd: limit.MustEnd, MayEnd: limit.MayEnd}
		if limit.Policy == api.Ask {
			f.room.Candidates = limit.Candidates
		}
		return f
	}
	if value, ok := errors.AsType[*clients.ValueError](err); ok {
		return &failure{status: http.StatusBadRequest, key: "PropertyValueFormatError", args: []string{fmt.Sprint(value.Value), value.Property}, text: sentence(err)}
	}
	if of, ok := errors.AsType[*propertyError](err); ok {
		if of.value == "" {
			return &failure{status: http.StatusBadRequest, key: "PropertyUnknown", args: []string{of.name}}
		}
		return &failure{status: http.StatusBadRequest, key: "PropertyValueTypeError", args: []string{of.value, of.name}}
	}
	if broken, ok := errors.AsType[*transaction.ViolationError](err); ok {
		return &failure{status: http.StatusBadRequest, key: "GeneralError", violations: broken.Violations}
	}
	if failed, ok := errors.AsType[*transaction.FailedError](err); ok {
		f := &failure{status: http.StatusConflict, key: "TransactionPartlyRolledBack", text: sentence(err), result: &failed.Result, stale: errors.Is(err, transaction.ErrStale)}
		if failed.Result.Result == api.RolledBack {
			f.key = "TransactionRolledBack"
		}
		return f
	}
	if far, ok := errors.AsType[*ReachError](err); ok {
		f := c.who.lacks(Admin)
		f.text = sentence(far) + " " + f.text
		return f
	}
	for _, row := range ownFailures {
		if !errors.Is(err, row.err) {
			continue
		}
		f := &failure{status: row.status, key: row.key, text: sentence(err)}
		switch row.key {
		case "ResourceMissingAtURI":
			f.args, f.text = []string{c.URL.Path}, ""
		case "SessionRequired":
			f.args, f.text = []string{c.who.name}, ""
		case "ServiceTemporarilyUnavailable":
			f.retry = 10 * time.Second
		}
		return f
	}
	return nil
}

// sentence is the text of an error for people.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// Own reports errors about client sessions and transactions, which the answers of
// a Gateway describe in full.
func Own(err error) bool {
	return ownFailure(&call{Request: &http.Request{URL: &url.URL{}}}, err) != nil
}
