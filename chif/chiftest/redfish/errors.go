package redfish

import (
	"net/http"
	"strings"

	"github.com/ilod/ilod/chif/chiftest/tree"
)

// messages makes the MessageIds of one firmware: "Base.1.18.Success".
type messages struct{ base, ilo string }

// iloMessages are the names that iLO's own registry defines; the others are
// from Base (§8, §10 and the registries of the captured trees).
var iloMessages = map[string]bool{
	"DeviceIsBusy": true, "ETagTooLong": true, "FirmwareFlashAlreadyInProgress": true,
	"InvalidOperationForSystemState": true, "LicenseKeyRequired": true, "ResetInProgress": true,
	"ResetRequired": true, "ResourceNotReadyRetry": true, "ResourceTemporarilyUnavailable": true,
	"SystemResetRequired": true, "UnableToModifyDuringSystemPOST": true,
	"UnauthorizedLoginAttempt": true, "UnsupportedOperation": true, "UserAlreadyExist": true,
}

// messagesOf reads the versions from the tree's registries, else from what
// each generation is known to use (§1).
func messagesOf(t *tree.Tree, generation int) messages {
	m := messages{"Base.1.4", "iLO.2.14"}
	switch generation {
	case 4:
		m = messages{"Base.0.10", "iLO.0.10"}
	case 6, 7:
		m = messages{"Base.1.18", "iLO.2.30"}
	}
	for name, prefix := range map[string]*string{"Base": &m.base, "iLO": &m.ilo} {
		if r, ok := t.Lookup(tree.Root + "/Registries/" + name); ok {
			o, _ := parseObject(r.Body)
			if v := strings.SplitN(o.text("Registry"), ".", 4); len(v) >= 3 {
				*prefix = strings.Join(v[:3], ".")
			}
		}
	}
	return m
}

// id completes a bare message name; one with a dot is complete.
func (m messages) id(name string) string {
	switch {
	case strings.Contains(name, "."):
		return name
	case iloMessages[name]:
		return m.ilo + "." + name
	}
	return m.base + "." + name
}

// info is one entry of @Message.ExtendedInfo. An iLO sends no text with it (§5).
type info struct {
	MessageArgs []string `json:",omitempty"`
	MessageID   string   `json:"MessageId"`
}

// envelope is the body of every answer that is not a resource.
func envelope(entries ...info) []byte {
	type body struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Info    []info `json:"@Message.ExtendedInfo"`
	}
	return encode(map[string]body{"error": {
		"iLO.0.10.ExtendedInfo", "See @Message.ExtendedInfo for more information.", entries}})
}

// message is an answer whose body names one message.
func (s *Service) message(status int, name string, args ...string) *reply {
	return &reply{status: status, body: envelope(info{args, s.messages.id(name)})}
}

// notAllowed is the answer to a wrong method, and to a request target that is
// not a path: no JSON, and what would be allowed (§4).
func notAllowed(methods ...string) *reply {
	return &reply{status: http.StatusMethodNotAllowed, header: http.Header{
		"Allow": {strings.Join(methods, ", ")}, "Content-Type": {"text/plain"}}}
}
