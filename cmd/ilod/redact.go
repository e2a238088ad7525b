package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/agent/secret"
)

const redacted = "[redacted]"

// token matches whatever looks like a token of an iLO, 32 hexadecimal digits, or
// like a handle.
var token = regexp.MustCompile(`(?i)\b[0-9a-f]{32,}\b|\bilod-[0-9a-f]+\.[0-9]+\.[0-9A-Za-z_-]+`)

// named matches a name and what stands between it and its value.
var named = regexp.MustCompile(`(["']?)([A-Za-z][A-Za-z0-9_-]*)["']?\s*[:=]\s*(\[?)["']?`)

// redact hides what may be a secret in a text for people.
func redact(s string) string {
	var b strings.Builder
	done := 0
	for _, at := range named.FindAllStringSubmatchIndex(s, -1) {
		name, quoted := s[at[4]:at[5]], at[2] != at[3]
		if at[1] < done || !isSecret(name, quoted) {
			continue
		}
		end := `"'` + "\r\n,}]"
		if at[6] != at[7] { // a list
			end = "\r\n]"
		}
		length := strings.IndexAny(s[at[1]:], end)
		if length < 0 {
			length = len(s) - at[1]
		}
		if length > 0 {
			b.WriteString(s[done:at[1]] + redacted)
			done = at[1] + length
		}
	}
	b.WriteString(s[done:])
	return token.ReplaceAllString(b.String(), redacted)
}

// isSecret tells whether a value follows that nobody should see. Words of a
// sentence, such as "key" or "credentials", are not names of properties.
func isSecret(name string, quoted bool) bool {
	if !quoted && name == strings.ToLower(name) {
		for _, ending := range []string{"token", "authorization", "password"} {
			if strings.HasSuffix(name, ending) {
				return true
			}
		}
		return false
	}
	return secret.Property(name)
}

// redaction is the logger's hook that hides secrets in message and fields.
type redaction struct{}

// Levels is all of them.
func (redaction) Levels() []logrus.Level { return logrus.AllLevels }

// Fire redacts one entry.
func (redaction) Fire(e *logrus.Entry) error {
	e.Message = redact(e.Message)
	for key, value := range e.Data {
		if secret.Property(key) {
			e.Data[key] = redacted
			continue
		}
		text := fmt.Sprint(value)
		if shown := redact(text); shown != text {
			e.Data[key] = shown
		}
	}
	return nil
}
