package transaction

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/jsonpointer"
	"github.com/ilod/ilod/agent/redfisherror"
)

// complaint is what an answer says against one property, whatever its status is.
type complaint struct {
	property string // JSON pointer, or the end of one
	message  redfisherror.Message
}

// about tells whether a complaint is about a property: about it, what it is in, or
// what is in it.
func (c complaint) about(pointer string) bool {
	if !strings.HasPrefix(c.property, "/") {
		return strings.HasSuffix(pointer, "/"+c.property)
	}
	return pointer == c.property || strings.HasPrefix(pointer, c.property+"/") || strings.HasPrefix(c.property, pointer+"/")
}

// info is a message of "@Message.ExtendedInfo".
type info struct {
	MessageID         string `json:"MessageId"`
	MessageArgs       []any
	Message           string
	Severity          string
	MessageSeverity   string
	RelatedProperties []string
}

// extendedInfo is the name of what a service says about a resource, and the end of
// the name of what it says about a property (DSP0266, extended information).
const extendedInfo = "@Message.ExtendedInfo"

// complaints are those of the answer to a write.
func complaints(body []byte) (all []complaint) {
	v, err := decode(body)
	if err != nil {
		return nil
	}
	collect(v, "", func(of string, i info) {
		m := redfisherror.Message{ID: i.MessageID, Text: i.Message}
		for _, arg := range i.MessageArgs {
			m.Args = append(m.Args, text(arg))
		}
		if !i.complains(m) {
			return
		}
		properties := slices.Clone(i.RelatedProperties)
		if of != "" {
			properties = append(properties, of)
		}
		if len(properties) == 0 && strings.HasPrefix(m.Key(), "Property") {
			properties = m.Args // a value among them is the name of no property
		}
		for _, p := range properties {
			if p = strings.TrimPrefix(p, "#"); strings.Trim(p, "/") != "" {
				all = append(all, complaint{p, m})
			}
		}
	})
	return all
}

// collect calls f with each message in a body, and the pointer of the property
// that it is annotated to, if it is to one.
func collect(v any, at string, f func(of string, i info)) {
	switch v := v.(type) {
	case []any:
		for _, inner := range v {
			collect(inner, at, f)
		}
	case map[string]any:
		for name, inner := range v {
			property, annotates := strings.CutSuffix(name, extendedInfo)
			if !annotates {
				collect(inner, at+"/"+jsonpointer.Escape(name), f)
				continue
			}
			of := ""
			if property != "" {
				of = at + "/" + jsonpointer.Escape(property)
			}
			var list []info
			_ = json.Unmarshal(encode(inner), &list) // what has another form says nothing
			for _, i := range list {
				f(of, i)
			}
		}
	}
}

// text is an argument of a message as it stands in its text.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return string(encode(v))
}

// complains tells whether a message is one about something that was not done.
func (i info) complains(m redfisherror.Message) bool {
	switch m.Key() {
	case "", "Success", "Created", "Accepted", "NoOperation", "ConditionalSuccess", "ResetInProgress", "ExtendedInfo":
		return false
	}
	if resetOf(m).Any() {
		return false
	}
	return !strings.EqualFold(i.Severity, "OK") && !strings.EqualFold(i.MessageSeverity, "OK")
}
