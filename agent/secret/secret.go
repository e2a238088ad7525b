// Package secret knows which properties of an iLO hold secrets. It has the only list:
// all code that hides values in logs, errors, journals and answers uses it.
package secret

import "strings"

// endings are what the names of secrets end in, in lower case. They cover the
// schemas of iLO 5, 6 and 7, DMTF's, and names that an OEM makes up.
var endings = []string{
	"password", "passwd", "pwd", "authpw", "passphrase", "phrase", "passcode", "secret", "token", "credential", "credentials",
	"key", "psk", "keystring", "keytab", "community", "communities", "httpheaders", "authorization",
}

// open are names with such an ending that hold no secret.
var open = map[string]bool{
	"sshhostkey":   true, // the public half, which the iLO shows to everybody who connects
	"publickey":    true,
	"sshpublickey": true,
	"langkey":      true, // names a text of the web pages
	"lockkey":      true, // a combination of keys on a keyboard
}

// Property reports whether a property of this name holds a secret, whatever its
// letter case: passwords, pass phrases, tokens, keys of encryption, licences and
// SNMP communities. Annotations, such as "Password@Redfish.AllowablePattern", hold
// none.
func Property(name string) bool {
	if strings.ContainsAny(name, "@#") {
		return false
	}
	name = strings.ToLower(name)
	if open[name] {
		return false
	}
	for _, ending := range endings {
		if strings.HasSuffix(name, ending) {
			return true
		}
	}
	return false
}

// Value reports whether a property of this name with this value, which came from
// JSON, holds a secret. A rule about secrets is true or false, and an object has
// properties of its own; null is a secret that is not shown.
func Value(name string, v any) bool {
	switch v := v.(type) {
	case bool, map[string]any:
		return false
	case []any:
		for _, e := range v {
			if _, object := e.(map[string]any); object && !strings.EqualFold(name, "HttpHeaders") {
				return false
			}
		}
	}
	return Property(name)
}
