package clients

import (
	"cmp"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/ilod/ilod/agent/api"
)

// Forms of links in answers.
const (
	full     = "full"
	relative = "relative"
	leaf     = "leaf"
)

// text is the Output that needs no header.
const text = "text"

// initial are the variables of a session that has set none.
var initial = api.Variables{ActivePath: Root, ReturnedPath: full, Output: text}

// maxActivePath is in bytes.
const maxActivePath = 1024

// checkVariables fills in the defaults. It fails with ErrVariable.
func checkVariables(v *api.Variables) error {
	v.ActivePath = cmp.Or(v.ActivePath, initial.ActivePath)
	v.ReturnedPath = cmp.Or(v.ReturnedPath, initial.ReturnedPath)
	v.Output = cmp.Or(v.Output, initial.Output)
	active, ok := cleanPath(v.ActivePath)
	if !ok {
		return &ValueError{"activePath", v.ActivePath, "is not a clean path at or below " + Root}
	}
	v.ActivePath = active
	if err := oneOf("returnedPath", v.ReturnedPath, full, relative, leaf); err != nil {
		return err
	}
	if err := oneOf("output", v.Output, text, "json", "raw"); err != nil {
		return err
	}
	if v.TransactionTimeout < 0 || v.TransactionTimeout > maxSeconds {
		return &ValueError{"transactionTimeout", time.Duration(v.TransactionTimeout), "is not between 0 and 10 years"}
	}
	if v.Selection != "" && !isSelection(v.Selection) {
		return &ValueError{"selection", v.Selection, `is neither a type such as "ComputerSystem." or "ComputerSystem.v1_2_0" nor a path`}
	}
	return nil
}

// typeName is a Redfish type, with or without "#", the version, and the name
// after it. It takes most of a millisecond, which every start would pay.
var typeName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^#?[A-Za-z][A-Za-z0-9_]{0,127}(\.(v[0-9]+(_[0-9]+){0,2}(\.[A-Za-z][A-Za-z0-9_]{0,127})?)?)?$`)
})

// isSelection reports a type or a path, and behind that what tells which of its
// resources, or what of them, is meant.
func isSelection(s string) bool {
	if len(s) > maxActivePath || strings.ContainsFunc(s, unicode.IsControl) {
		return false
	}
	what, _, _ := strings.Cut(s, "?")
	if path, _, _ := strings.Cut(what, "#"); strings.HasPrefix(path, "/") {
		_, clean := cleanPath(path)
		return clean
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(what, "#"), "#")
	return typeName().MatchString(name)
}

// ActivePath is what an active path means that is given so, or false if it cannot be one.
func ActivePath(given string) (string, bool) { return cleanPath(given) }

// cleanPath returns the escaped path of a resource with a slash at its end.
func cleanPath(escaped string) (string, bool) {
	u, err := url.Parse(escaped)
	if err != nil || len(escaped) > maxActivePath || u.Path == "" || u.EscapedPath() != escaped ||
		strings.ContainsFunc(u.Path, func(r rune) bool { return r < ' ' || r == 0x7f || strings.ContainsRune(`\;%`, r) }) ||
		strings.Contains(strings.ToLower(escaped), "%2f") {
		return "", false
	}
	plain := strings.TrimSuffix(u.Path, "/")
	if path.Clean(u.Path) != plain || !strings.HasPrefix(plain+"/", Root) {
		return "", false
	}
	return strings.TrimSuffix(escaped, "/") + "/", true
}
