package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/redfisherror"
)

// exchange sends a request and reads the whole answer.
func exchange(rt http.RoundTripper, req *http.Request) (*http.Response, []byte, error) {
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	body, err := readBody(req, resp)
	return resp, body, err
}

// accepted is exchange, with an error for an answer that is not a success.
func accepted(rt http.RoundTripper, req *http.Request) (*http.Response, []byte, error) {
	resp, body, err := exchange(rt, req)
	if err == nil && !isSuccess(resp) {
		err = newRefusal(resp, body)
	}
	return resp, body, err
}

// readBody reads the whole body of an answer and closes it.
func readBody(req *http.Request, resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", req.Method, req.URL.RequestURI(), err)
	}
	return body, nil
}

func isSuccess(resp *http.Response) bool { return resp.StatusCode/100 == 2 }

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
