package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/redfisherror"
)

// refusal is an answer with an error status and what the agent has put beside
// its messages.
type refusal struct {
	err  *redfisherror.Error
	body []byte
}

func newRefusal(resp *http.Response, body []byte) error {
	return &refusal{redfisherror.New(resp, body), body}
}

func (r *refusal) Error() string { return r.err.Error() }

func (r *refusal) Unwrap() error { return r.err }

// beside reads what stands beside the error, if anything does.
func (r *refusal) beside(v any) error { return json.Unmarshal(r.body, v) }

// candidates is the list of those that could make room, nil if there is none.
func (r *refusal) candidates() json.RawMessage {
	var doc struct {
		Error struct {
			Info []struct {
				Oem struct {
					Ilod struct{ Candidates json.RawMessage }
				}
			} `json:"@Message.ExtendedInfo"`
		}
	}
	_ = json.Unmarshal(r.body, &doc) // what has another form has no candidates
	for _, info := range doc.Error.Info {
		if list := info.Oem.Ilod.Candidates; list != nil {
			return list
		}
	}
	return nil
}

// agentRegistry begins the ids of the agent's own messages.
const agentRegistry = "Ilod."

// isMessage claims answers with one of the agent's own messages.
func isMessage(keys ...string) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[*redfisherror.Error](err)
		return ok && slices.ContainsFunc(e.Messages, func(m redfisherror.Message) bool {
			return strings.HasPrefix(m.ID, agentRegistry) && slices.Contains(keys, m.Key())
		})
	}
}
