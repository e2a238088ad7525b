package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/agent/redfisherror"
	"github.com/ilod/ilod/agent/schedule"
	"github.com/ilod/ilod/chif"
)

// chifProblem is what the owner of a gateway gives for the channel's errors.
func chifProblem(err error) Problem {
	for _, c := range []struct {
		err   error
		cause Cause
	}{
		{chif.ErrOutcomeUnknown, OutcomeUnknown}, {chif.ErrNoDevice, NoChannel}, {chif.ErrBusy, Busy}, {chif.ErrTimeout, Timeout},
		{chif.ErrCredentialsRequired, Credentials}, {chif.ErrRefused, Refused}, {chif.ErrProtocol, Protocol}, {chif.ErrTooLarge, TooLarge},
		{chif.ErrInvalidRequest, Invalid}, {chif.ErrClosed, Stopping},
	} {
		if errors.Is(err, c.err) {
			return Problem{Cause: c.cause}
		}
	}
	return Problem{}
}

func TestErrorsOfTheRoomsBelow(t *testing.T) {
	table := []api.ILOSession{{ID: "bob01", Kind: "Web UI"}}
	for _, c := range []struct {
		err    error
		status int
		key    string
		retry  string
		text   string
	}{
		{&chif.NoDeviceError{Address: "auto", Reason: chif.NoModule}, 503, "CouldNotEstablishConnection", "", "the hpilo kernel module is not loaded"},
		{chif.ErrBusy, 503, "ServiceTemporarilyUnavailable", "30", "busy"},
		{&schedule.QueueFullError{Class: schedule.Bulk, RetryAfter: 7 * time.Second}, 503, "ServiceTemporarilyUnavailable", "7", "bulk"},
		{schedule.ErrQueueFull, 503, "ServiceTemporarilyUnavailable", "5", "waiting"},
		{schedule.ErrClosed, 503, "ServiceTemporarilyUnavailable", "10", "closed"},
		{chif.ErrClosed, 503, "ServiceTemporarilyUnavailable", "10", "closed"},
		{chif.ErrTimeout, 504, "OperationTimeout", "", "in time"},
		{context.DeadlineExceeded, 504, "OperationTimeout", "", "deadline"},
		{fmt.Errorf("%w: %w", chif.ErrOutcomeUnknown, chif.ErrTimeout), 502, "OperationFailed", "", "may or may not have been carried out"},
		{ilosession.ErrSessionLimit, 503, "SessionLimitExceeded", "60", "full"},
		{&ilosession.SessionLimitError{Sessions: table, Err: ilosession.ErrSessionLimit}, 503, "SessionLimitExceeded", "60", "full"},
		{chif.ErrRefused, 502, "AccessDenied", "", "refused"},
		{chif.ErrCredentialsRequired, 403, "AccessDenied", "", "credentials"},
		{ilosession.ErrCredentials, 403, "AccessDenied", "", "login"},
		{&redfisherror.Error{Status: 403, Method: "POST", Path: "/x"}, 403, "AccessDenied", "", "403"},
		{&redfisherror.Error{Status: 500, Method: "POST", Path: "/x"}, 502, "OperationFailed", "", "500"},
		{chif.ErrProtocol, 502, "OperationFailed", "", "protocol"},
		{chif.ErrTooLarge, 413, "PayloadTooLarge", "", "large"},
		{chif.ErrInvalidRequest, 400, "InvalidURI", "", "invalid"},
		{context.Canceled, 503, "ServiceTemporarilyUnavailable", "10", "canceled"},
		{errors.New("something else"), 500, "InternalError", "", "something else"},
	} {
		n := &next{answer: func(*http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("GET /redfish/v1/Systems: %w", c.err)
		}}
		g := newGateway(t, Options{Next: n, Problem: chifProblem})
		w := ask(g, &root, "GET", "/redfish/v1/Systems", "")
		t.Run(c.err.Error(), func(t *testing.T) {
			wantFailure(t, w, c.status, c.key)
			if got := w.Header().Get("Retry-After"); got != c.retry {
				t.Errorf("Retry-After %q, want %q", got, c.retry)
			}
			if !strings.Contains(w.Body.String(), c.text) {
				t.Errorf("%s does not say %q", w.Body, c.text)
			}
			if limit := new(ilosession.SessionLimitError); errors.As(c.err, &limit) != strings.Contains(w.Body.String(), `"Oem":{"Ilod":{"Candidates":[{"id":"bob01"`) {
				t.Errorf("candidates: %s", w.Body)
			}
		})
	}
}

// TestEveryCauseHasAnAnswer: the owner's own text and time count.
func TestEveryCauseHasAnAnswer(t *testing.T) {
	for cause := Unknown; cause <= Guarded; cause++ {
		n := &next{answer: func(*http.Request) (*http.Response, error) { return nil, errors.New("secret") }}
		g := newGateway(t, Options{Next: n, Problem: func(error) Problem {
			return Problem{Cause: cause, Text: "my words", RetryAfter: 1500 * time.Millisecond}
		}})
		w := ask(g, &root, "GET", "/redfish/v1/x", "")
		if w.Code < 400 || !strings.Contains(w.Body.String(), "my words") || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%d: %d %s", cause, w.Code, w.Body)
		}
	}
	if len(causes) != int(Guarded)+1 {
		t.Errorf("%d causes have an answer", len(causes))
	}
}

// TestMessages: the messages named in the source are in base or own, with as
// many arguments as their texts have.
func TestMessages(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`key(?:: | = )"(\w+)"(.*)`).FindAllStringSubmatch(string(text), -1) {
			used[m[1]] = true
			message, known := base[m[1]]
			if ours, there := own[m[1]]; there {
				message, known = ours, true
			}
			if !known {
				t.Errorf("%s: there is no message %s", name, m[1])
			}
			if args := regexp.MustCompile(`args: \[\]string\{([^}]*)\}`).FindStringSubmatch(m[2]); args != nil && strings.Count(args[1], ",")+1 != message.args {
				t.Errorf("%s: %s has %d arguments", name, m[0], message.args)
			}
		}
	}
	for _, row := range ownFailures {
		used[row.key] = true
	}
	all := maps.Clone(base)
	maps.Copy(all, own)
	for key, message := range all {
		if !used[key] {
			t.Errorf("%s is not used", key)
		}
		if got := len(regexp.MustCompile(`%\d`).FindAllString(message.text, -1)); got != message.args {
			t.Errorf("%s has %d arguments, not %d", key, got, message.args)
		}
	}
}
