package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/budget"
	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/agent/redfisherror"
	"github.com/ilod/ilod/agent/schedule"
	"github.com/ilod/ilod/agent/transaction"
)

// Cause is the kind of an error of the rooms below; it decides the status and
// the message that a client sees.
type Cause int

const (
	// Unknown leaves the decision to the gateway, which knows the errors of
	// packages context, schedule, ilosession and redfisherror. Others are 500.
	Unknown        Cause = iota
	NoChannel            // no device, no driver, no permission: 503
	Busy                 // all channels taken, or the iLO resetting: 503 with Retry-After
	QueueFull            // too many requests wait: 503 with Retry-After
	Stopping             // the agent is being stopped: 503
	Timeout              // no answer in time: 504
	OutcomeUnknown       // a write whose answer was lost: 502
	SessionLimit         // the iLO's session table is full: 503 with the candidates
	Refused              // the iLO refuses the channel or the command: 502
	Credentials          // the iLO wants credentials, or others: 403
	Protocol             // the iLO's answer makes no sense: 502
	TooLarge             // the request does not fit the channel: 413
	Invalid              // the request cannot be put on the channel: 400
	NotFound             // there is no such iLO session: 404
	Guarded              // the iLO session is one that must not be ended: 403
)

// Problem explains an error to a client.
type Problem struct {
	Cause Cause
	// Text is for people; the error's own text when empty. It holds no secret.
	Text string
	// RetryAfter is when to come back, in whole seconds; the cause's default
	// when 0.
	RetryAfter time.Duration
	// Candidates are the iLO sessions that could make room, in JSON; nil: not
	// known.
	Candidates any
}

// causes are the answers to the causes.
var causes = map[Cause]struct {
	status int
	key    string
	retry  time.Duration // 0: no Retry-After
	text   string        // before the error's own
}{
	Unknown:        {status: http.StatusInternalServerError, key: "InternalError"},
	NoChannel:      {status: http.StatusServiceUnavailable, key: "CouldNotEstablishConnection"},
	Busy:           {status: http.StatusServiceUnavailable, key: "ServiceTemporarilyUnavailable", retry: 30 * time.Second},
	QueueFull:      {status: http.StatusServiceUnavailable, key: "ServiceTemporarilyUnavailable", retry: 5 * time.Second},
	Stopping:       {status: http.StatusServiceUnavailable, key: "ServiceTemporarilyUnavailable", retry: 10 * time.Second},
	Timeout:        {status: http.StatusGatewayTimeout, key: "OperationTimeout"},
	OutcomeUnknown: {status: http.StatusBadGateway, key: "OperationFailed", text: "The request reached the iLO and its answer was lost: it may or may not have been carried out. Read the resource before trying again. "},
	SessionLimit:   {status: http.StatusServiceUnavailable, key: "SessionLimitExceeded", retry: time.Minute},
	Refused:        {status: http.StatusBadGateway, key: "AccessDenied"},
	Credentials:    {status: http.StatusForbidden, key: "AccessDenied"},
	Protocol:       {status: http.StatusBadGateway, key: "OperationFailed"},
	TooLarge:       {status: http.StatusRequestEntityTooLarge, key: "PayloadTooLarge"},
	Invalid:        {status: http.StatusBadRequest, key: "InvalidURI"},
	NotFound:       {status: http.StatusNotFound, key: "ResourceMissingAtURI"},
	Guarded:        {status: http.StatusForbidden, key: "ResourceCannotBeDeleted"},
}

// ownProblem explains the errors that the gateway knows by itself.
func ownProblem(err error) Problem {
	var full *schedule.QueueFullError
	var limit *ilosession.SessionLimitError
	var refusal *redfisherror.Error
	var memory *budget.FullError
	switch {
	case errors.As(err, &memory):
		return Problem{Cause: QueueFull, RetryAfter: memory.RetryAfter}
	case errors.As(err, &full):
		return Problem{Cause: QueueFull, RetryAfter: full.RetryAfter}
	case errors.Is(err, schedule.ErrQueueFull):
		return Problem{Cause: QueueFull}
	case errors.Is(err, schedule.ErrClosed), errors.Is(err, ilosession.ErrClosed):
		return Problem{Cause: Stopping}
	case errors.As(err, &limit) && limit.Sessions != nil:
		return Problem{Cause: SessionLimit, Candidates: limit.Sessions}
	case errors.Is(err, ilosession.ErrSessionLimit):
		return Problem{Cause: SessionLimit}
	case errors.Is(err, ilosession.ErrCredentials):
		return Problem{Cause: Credentials}
	case errors.Is(err, ilosession.ErrNoSession):
		return Problem{Cause: NotFound}
	case errors.Is(err, ilosession.ErrProtected):
		return Problem{Cause: Guarded}
	case errors.As(err, &refusal): // of a request that is not the client's own
		if refusal.Status == http.StatusForbidden {
			return Problem{Cause: Credentials}
		}
		return Problem{Cause: Protocol}
	case errors.Is(err, context.DeadlineExceeded):
		return Problem{Cause: Timeout}
	case errors.Is(err, context.Canceled): // not by the client, who would get no answer
		return Problem{Cause: Stopping}
	}
	return Problem{}
}

// explain makes a failure of an error of the rooms below.
func (g *Gateway) explain(c *call, err error) *failure {
	if f := ownFailure(c, err); f != nil {
		return g.whoMay(f)
	}
	var p Problem
	if g.o.Problem != nil {
		p = g.o.Problem(err)
	}
	if p.Cause == Unknown {
		text := p.Text
		p = ownProblem(err)
		p.Text = text
	}
	if p.Text == "" {
		p.Text = err.Error()
	}
	cause := causes[p.Cause]
	f := &failure{status: cause.status, key: cause.key, text: cause.text + p.Text}
	if f.retry = p.RetryAfter; f.retry <= 0 {
		f.retry = cause.retry
	}
	for range base[f.key].args {
		f.args = append(f.args, c.URL.Path)
	}
	if p.Cause == SessionLimit {
		f.room = &api.Room{Candidates: p.Candidates, MustEnd: 1, MayEnd: c.who.role >= Admin}
	}
	return g.whoMay(f)
}

// failure is a refusal or an error that the gateway answers.
type failure struct {
	status     int
	key        string   // of a message in base or own
	args       []string // for ServiceTemporarilyUnavailable made from retry
	text       string   // instead of the registry's
	retry      time.Duration
	room       *api.Room
	violations []transaction.Violation // messages of their own, instead of that of key if it is one
	result     *api.Result             // beside the error
	stale      bool                    // with one more message about that
}

func noValidSession() *failure {
	return &failure{status: http.StatusUnauthorized, key: "NoValidSession"}
}

func insufficientPrivilege() *failure {
	return &failure{status: http.StatusForbidden, key: "InsufficientPrivilege"}
}

// lacks refuses a caller without the role that is needed.
func (c *caller) lacks(need Role) *failure {
	has := "the role " + c.role.String()
	if c.role == Anyone {
		has = "no role"
	}
	f := insufficientPrivilege()
	f.text = fmt.Sprintf("The user %s has %s, and this needs the role %s: see [roles] in the agent's configuration.", c.name, has, need)
	return f
}

func missing(path string) *failure {
	return &failure{status: http.StatusNotFound, key: "ResourceMissingAtURI", args: []string{path}}
}

// registry is the message registry of base: DMTF's, whose texts and numbers of
// arguments these are.
const registry = "Base.1.16."

// message is one of a message registry.
type message struct {
	text       string
	args       int
	severity   string
	resolution string
}

// base holds the messages that the gateway uses.
var base = map[string]message{
	"AccessDenied":                  {"While attempting to establish a connection to '%1', the service denied access.", 1, "Critical", "Attempt to ensure that the URI is correct and that the service has the appropriate credentials."},
	"CouldNotEstablishConnection":   {"The service failed to establish a connection with the URI '%1'.", 1, "Critical", "Ensure that the iLO and its driver work: 'ilod doctor' says what is missing."},
	"GeneralError":                  {"A general error has occurred.  See Resolution for information on how to resolve the error, or @Message.ExtendedInfo if Resolution is not provided.", 0, "Critical", "None."},
	"HeaderInvalid":                 {"Header '%1' is invalid.", 1, "Critical", "Resubmit the request with a valid request header."},
	"InsufficientPrivilege":         {"There are insufficient privileges for the account or credentials associated with the current session to perform the requested operation.", 0, "Critical", "Either abandon the operation or change the associated access rights and resubmit the request if the operation failed."},
	"InternalError":                 {"The request failed due to an internal service error.  The service is still operational.", 0, "Critical", "Resubmit the request.  If the problem persists, consider resetting the service."},
	"InvalidURI":                    {"The URI %1 was not found.", 1, "Critical", "Provide a valid URI and resubmit the request."},
	"MalformedJSON":                 {"The request body submitted was malformed JSON and could not be parsed by the receiving service.", 0, "Critical", "Ensure that the request body is valid JSON and resubmit the request."},
	"NoValidSession":                {"There is no valid session established with the implementation.", 0, "Critical", "Establish a session before attempting any operations."},
	"OperationFailed":               {"An error occurred internal to the service as part of the overall request.  Partial results may have been returned.", 0, "Warning", "Resubmit the request.  If the problem persists, consider resetting the service or provider."},
	"OperationNotAllowed":           {"The HTTP method is not allowed on this resource.", 0, "Critical", "None."},
	"OperationTimeout":              {"A timeout internal to the service occured as part of the request.  Partial results may have been returned.", 0, "Warning", "Resubmit the request.  If the problem persists, consider resetting the service or provider."},
	"PayloadTooLarge":               {"The supplied payload exceeds the maximum size supported by the service.", 0, "Critical", "Check that the supplied payload is correct and supported by this service."},
	"PropertyMissing":               {"The property %1 is a required property and must be included in the request.", 1, "Warning", "Ensure that the property is in the request body and has a valid value and resubmit the request if the operation failed."},
	"PropertyUnknown":               {"The property %1 is not in the list of valid properties for the resource.", 1, "Warning", "Remove the unknown property from the request body and resubmit the request if the operation failed."},
	"PropertyValueFormatError":      {"The value '%1' for the property %2 is not a format that the property can accept.", 2, "Warning", "Correct the value for the property in the request body and resubmit the request if the operation failed."},
	"PropertyValueTypeError":        {"The value '%1' for the property %2 is not a type that the property can accept.", 2, "Warning", "Correct the value for the property in the request body and resubmit the request if the operation failed."},
	"QueryNotSupported":             {"Querying is not supported by the implementation.", 0, "Warning", "Remove the query parameters and resubmit the request if the operation failed."},
	"ResourceAtUriUnauthorized":     {"While accessing the resource at '%1', the service received an authorization error '%2'.", 2, "Critical", "Ensure that the appropriate access is provided for the service in order for it to access the URI."},
	"ResourceCannotBeDeleted":       {"The delete request failed because the resource requested cannot be deleted.", 0, "Critical", "Do not attempt to delete a non-deletable resource."},
	"ResourceInUse":                 {"The change to the requested resource failed because the resource is in use or in transition.", 0, "Warning", "Remove the condition and resubmit the request if the operation failed."},
	"ResourceMissingAtURI":          {"The resource at the URI '%1' was not found.", 1, "Critical", "Place a valid resource at the URI or correct the URI and resubmit the request."},
	"ServiceTemporarilyUnavailable": {"The service is temporarily unavailable.  Retry in %1 seconds.", 1, "Critical", "Wait for the indicated retry duration and retry the operation."},
	"Success":                       {"The request completed successfully.", 0, "OK", "None."},
	"SessionLimitExceeded":          {"The session establishment failed due to the number of simultaneous sessions exceeding the limit of the implementation.", 0, "Critical", "Reduce the number of other sessions before trying to establish the session or increase the limit of simultaneous sessions, if supported."},
}

// extendedInfo is a Message object of Redfish.
type extendedInfo struct {
	Type       string         `json:"@odata.type"`
	ID         string         `json:"MessageId"`
	Text       string         `json:"Message"`
	Args       []string       `json:"MessageArgs,omitempty"`
	Severity   string         `json:"MessageSeverity"`
	Resolution string         `json:"Resolution"`
	Related    []string       `json:"RelatedProperties,omitempty"`
	OEM        map[string]any `json:"Oem,omitempty"`
}

// errorBody is the error of DSP0266.
type errorBody struct {
	Error struct {
		Code string         `json:"code"`
		Text string         `json:"message"`
		Info []extendedInfo `json:"@Message.ExtendedInfo"`
	} `json:"error"`
	*api.Result
}

// body is the failure in Redfish's words.
func (f *failure) body() *errorBody {
	if f.key == "ServiceTemporarilyUnavailable" {
		f.args = []string{f.retryAfter()}
	}
	info := []extendedInfo{newInfo(f.key, f.text, f.args)}
	if f.room != nil {
		info[0].OEM = map[string]any{"Ilod": f.room}
	}
	b := errorBody{Result: f.result}
	b.Error.Code, b.Error.Text = info[0].ID, info[0].Text
	if f.violations != nil {
		info = nil
	}
	for _, v := range f.violations {
		of := newInfo(v.Key, v.Text, v.Args)
		of.Related = []string{"#" + v.Pointer}
		info = append(info, of)
	}
	if f.stale {
		info = append(info, newInfo("StaleResource", "", nil))
	}
	if len(f.violations) == 1 {
		b.Error.Code, b.Error.Text = info[0].ID, info[0].Text
	}
	b.Error.Info = info
	return &b
}

// succeeded is the body with which an iLO answers what it has done: a message in the
// form of an error.
func succeeded() *errorBody { return (&failure{key: "Success"}).body() }

// newInfo is a message of one of the registries; text is instead of its own.
func newInfo(key, text string, args []string) extendedInfo {
	id, m := registry+key, base[key]
	if ours, ok := own[key]; ok {
		id, m = ownRegistry+key, ours
	}
	if text == "" {
		text = m.text
		for i, arg := range args {
			text = strings.ReplaceAll(text, "%"+strconv.Itoa(i+1), arg)
		}
	}
	return extendedInfo{
		Type: "#Message.v1_1_1.Message", ID: id, Text: text, Args: args,
		Severity: cmp.Or(m.severity, "Warning"), Resolution: cmp.Or(m.resolution, "Correct the request and send it again."),
	}
}

// retryAfter is the number of seconds to wait, at least 1.
func (f *failure) retryAfter() string {
	return strconv.Itoa(max(1, int(f.retry/time.Second)))
}

// why is the text of a failure.
func (f *failure) why() string {
	if len(f.violations) > 0 {
		return f.violations[0].Text
	}
	return newInfo(f.key, f.text, f.args).Text
}

// fail answers with a failure.
func (g *Gateway) fail(w http.ResponseWriter, c *call, f *failure) {
	if f.retry > 0 {
		w.Header().Set("Retry-After", f.retryAfter())
	}
	if f.status == http.StatusUnauthorized && c.who.peer == nil {
		// RFC 9110 §11.6.1, RFC 7617 §2.1, RFC 6750 §3: what identify takes.
		w.Header()["Www-Authenticate"] = []string{`Basic realm="ilod", charset="UTF-8"`, `Bearer realm="ilod"`}
	}
	g.reply(w, f.status, f.body())
}

// reply answers with a JSON document; nil is no body.
func (g *Gateway) reply(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("OData-Version", "4.0")
	h.Set("Cache-Control", "no-store")
	if v == nil {
		limitWriting(w)
		w.WriteHeader(status)
		return
	}
	body, err := json.Marshal(v)
	if err != nil {
		g.log.WithError(err).Error("an answer cannot be encoded")
		status, body = http.StatusInternalServerError, []byte(`{"error":{"code":"`+registry+`InternalError","message":"The answer cannot be encoded."}}`)
	}
	if s, ok := w.(*statusWriter); ok {
		if err := s.pace.payOwn(len(body)); err != nil {
			f := &failure{status: http.StatusServiceUnavailable, key: "ServiceTemporarilyUnavailable", text: err.Error(), retry: 5 * time.Second}
			h.Set("Retry-After", f.retryAfter())
			status, body = f.status, encode(f.body())
		}
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	limitWriting(w)
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
