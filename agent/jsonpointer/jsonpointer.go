// Package jsonpointer writes and reads the parts of JSON pointers (RFC 6901 §3).
package jsonpointer

import "strings"

var (
	escaper   = strings.NewReplacer("~", "~0", "/", "~1")
	unescaper = strings.NewReplacer("~1", "/", "~0", "~")
)

// Escape makes a name a part of a pointer.
func Escape(name string) string { return escaper.Replace(name) }

// Unescape is the name that a part of a pointer stands for.
func Unescape(part string) string { return unescaper.Replace(part) }
