package client

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/redfisherror"
)

// Error is a request that was refused, by the agent or by the iLO behind it.
type Error struct {
	// Answer has status and messages.
	Answer *redfisherror.Error
	// Result is what became of a transaction; nil if the answer is not about one.
	Result *api.Result
	// Sessions are the client sessions of which some may be ended to make room for the
	// one that was asked for, longest unused first. They come with ErrSessionLimit, if
	// the limits say api.Ask.
	Sessions []api.Session
	// ILOSessions are the sessions of the iLO that could be ended to make room for that
	// of the agent.
	ILOSessions []api.ILOSession
	// MustEnd is how many of these sessions have to end, 0 if the refusal is another one.
	MustEnd int
	// Ask are those who may end them, if the user may not, in words.
	Ask []string
}

// NewError describes the answer resp, whose body has been read into body.
func NewError(resp *http.Response, body []byte) *Error {
	e := &Error{Answer: redfisherror.New(resp, body)}
	if r := new(api.Result); json.Unmarshal(body, r) == nil && r.Result != "" {
		e.Result = r
	}
	var doc struct {
		Error struct {
			Info []struct {
				Oem struct {
					Ilod struct {
						Candidates json.RawMessage
						MustEnd    int
						Ask        []string
					}
				}
			} `json:"@Message.ExtendedInfo"`
		}
	}
	_ = json.Unmarshal(body, &doc) // what has another form has no candidates
	for _, info := range doc.Error.Info {
		e.MustEnd, e.Ask = max(e.MustEnd, info.Oem.Ilod.MustEnd), append(e.Ask, info.Oem.Ilod.Ask...)
		switch list := bytes.TrimSpace(info.Oem.Ilod.Candidates); {
		case list == nil:
		case e.Answer.Is(ErrSessionLimit):
			_ = json.Unmarshal(list, &e.Sessions)
		default:
			_ = json.Unmarshal(list, &e.ILOSessions)
		}
	}
	return e
}

func (e *Error) Error() string { return e.Answer.Error() }

func (e *Error) Unwrap() error { return e.Answer }

// Kinds of refusals, for errors.Is.
const (
	ErrSessionLimit      = redfisherror.Kind("Ilod.SessionLimit")         // there are as many client sessions as there may be
	ErrSessionRequired   = redfisherror.Kind("Ilod.SessionRequired")      // the limits forbid default sessions, and there was no handle
	ErrSessionExpired    = redfisherror.Kind("Ilod.SessionExpired")       // the client session was not used for too long
	ErrSessionTerminated = redfisherror.Kind("Ilod.SessionTerminated")    // somebody has ended the client session
	ErrHandle            = redfisherror.Kind("Ilod.SessionHandleInvalid") // the handle is not one of this agent and this user
	ErrUserUnknown       = redfisherror.Kind("Ilod.UserUnknown")          // the user whose sessions are to end is nobody
	ErrHandleStale       = redfisherror.Kind("Ilod.SessionVersionStale")  // the session on the iLO has changed: ask for a new handle

	ErrNoTransaction         = redfisherror.Kind("Ilod.NoTransaction")               // the client session has no open transaction
	ErrTransactionOpen       = redfisherror.Kind("Ilod.TransactionOpen")             // it has one already
	ErrTransactionImpossible = redfisherror.Kind("Ilod.TransactionImpossible")       // the session ends with the request, as the limits say
	ErrErrant                = redfisherror.Kind("Ilod.TransactionErrant")           // a write was refused, so the transaction was rolled back
	ErrAction                = redfisherror.Kind("Ilod.ActionInTransaction")         // an action cannot be part of a transaction
	ErrStale                 = redfisherror.Kind("Ilod.StaleResource")               // a resource has changed since a write of it was staged
	ErrRolledBack            = redfisherror.Kind("Ilod.TransactionRolledBack")       // the commit failed, and nothing is changed
	ErrPartlyRolledBack      = redfisherror.Kind("Ilod.TransactionPartlyRolledBack") // the commit failed, and something is changed
)
