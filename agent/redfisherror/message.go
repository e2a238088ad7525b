// Package redfisherror reads the answers of a Redfish service to a request: the
// messages of an extended-info body, and a refusal as a Go error.
package redfisherror

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Message is one entry of "@Message.ExtendedInfo".
type Message struct {
	ID   string   `json:"id"`   // registry, version and key: "Base.1.4.ResourceMissingAtURI"
	Args []string `json:"args"` // what replaces %1, %2, … in the registry's text
	Text string   `json:"text"` // the service's own text; an iLO sends none (ILO.md §5)
}

// Key is the ID without registry and version: "ResourceMissingAtURI". An iLO 4
// may write a colon before it.
func (m Message) Key() string { return m.ID[strings.LastIndexAny(m.ID, ".:")+1:] }

// same reports whether another message says the same.
func (m Message) same(other Message) bool {
	return m.Key() == other.Key() && m.Text == other.Text && slices.Equal(m.Args, other.Args)
}

// String is the ID and a readable text, if one is known, else the arguments.
func (m Message) String() string {
	text := m.Text
	if text == "" {
		text = m.known()
	}
	switch {
	case text == "" && len(m.Args) > 0:
		return m.ID + ": " + strings.Join(m.Args, ", ")
	case text == "":
		return m.ID
	case m.ID == "":
		return text
	}
	return m.ID + ": " + text
}

// known is the package's text for the message, empty when it has none or the
// arguments do not fit it.
func (m Message) known() string {
	text := texts[m.Key()]
	for i, arg := range m.Args {
		text = strings.ReplaceAll(text, "%"+strconv.Itoa(i+1), arg)
	}
	if strings.Contains(text, "%"+strconv.Itoa(len(m.Args)+1)) {
		return ""
	}
	return text
}

// texts holds short texts for the messages that an iLO answers most often. An
// iLO sends ids only; its registries hold the texts (ILO.md §5).
var texts = map[string]string{
	"AccessDenied":                  "access denied",
	"ActionNotSupported":            "there is no action %1",
	"ActionParameterMissing":        "action %1 needs the parameter %2",
	"CreateLimitReachedForResource": "the limit of this kind of resource is reached",
	"InsufficientPrivilege":         "a privilege for this operation is missing",
	"InternalError":                 "internal error of the iLO",
	"MalformedJSON":                 "the request's body is not valid JSON",
	"NoValidSession":                "there is no valid session",
	"PreconditionFailed":            "the resource has changed since its ETag was read",
	"PropertyMissing":               "the property %1 is missing",
	"PropertyNotWritable":           "the property %1 is read-only",
	"PropertyUnknown":               "there is no property %1",
	"PropertyValueNotInList":        "the value %1 of the property %2 is not in the list of allowed values",
	"PropertyValueTypeError":        "the value %1 of the property %2 has the wrong type",
	"ResourceInUse":                 "the resource is in use",
	"ResourceMissingAtURI":          "there is no resource at %1",
	"ResetInProgress":               "a reset is in progress",
	"ResetRequired":                 "the iLO must be reset to make the change effective",
	"ServiceTemporarilyUnavailable": "the service is not available now; retry in %1 s",
	"SessionLimitExceeded":          "the iLO's session table is full",
	"SystemResetRequired":           "the server must be reset to make the change effective",
	"UnauthorizedLoginAttempt":      "the login was not accepted",
	"UnsupportedMethod":             "the resource does not support this method",
}

// Parse returns the messages of a body, none when it carries none. It accepts
// the envelope of DSP0266 ("error"), annotations at the top of a resource, and
// the form of early iLO 4 firmware ("Messages" with "MessageID").
func Parse(body []byte) []Message {
	type info struct {
		MessageID   string `json:"MessageId"`
		MessageArgs []any
		Message     string
	}
	var doc struct {
		Error struct {
			Code    string
			Message string
			Info    []info `json:"@Message.ExtendedInfo"`
		}
		Info     []info `json:"@Message.ExtendedInfo"`
		Messages []info
	}
	// A part of the wrong type does not hide the parts that can be read.
	_ = json.Unmarshal(body, &doc)
	var messages []Message
	for _, list := range [][]info{doc.Error.Info, doc.Info, doc.Messages} {
		before := messages
		for _, i := range list {
			if i.MessageID == "" && i.Message == "" {
				continue
			}
			m := Message{ID: i.MessageID, Text: i.Message}
			for _, arg := range i.MessageArgs {
				m.Args = append(m.Args, fmt.Sprint(arg))
			}
			if !slices.ContainsFunc(before, m.same) { // an iLO 4 tells the same in two forms
				messages = append(messages, m)
			}
		}
	}
	if len(messages) == 0 && doc.Error.Code != "" {
		messages = []Message{{ID: doc.Error.Code, Text: doc.Error.Message}}
	}
	return messages
}
