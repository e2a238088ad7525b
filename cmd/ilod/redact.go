package main

import (
	"fmt"
	"regexp"

	"github.com/sirupsen/logrus"
)

const redacted = "[redacted]"

// secret matches the value after a telling name, and whatever looks like a
// token of an iLO, 32 hexadecimal digits (ilo-behaviour §4.1), or like a handle.
var secret = regexp.MustCompile(`(?i)((?:token|authorization|password)["']?\s*[:=]\s*\[?["']?)[^"'\r\n,}\]]+|\b[0-9a-f]{32,}\b|\bilod-[0-9a-f]+\.[0-9]+\.[0-9A-Za-z_-]+`)

// redact hides what may be a secret in a text for people.
func redact(s string) string { return secret.ReplaceAllString(s, "${1}"+redacted) }

// secretName matches names of log fields whose value is a secret.
var secretName = regexp.MustCompile(`(?i)token|authorization|password`)

// redaction is the logger's hook that hides secrets in message and fields.
type redaction struct{}

// Levels is all of them.
func (redaction) Levels() []logrus.Level { return logrus.AllLevels }

// Fire redacts one entry.
func (redaction) Fire(e *logrus.Entry) error {
	e.Message = redact(e.Message)
	for key, value := range e.Data {
		if secretName.MatchString(key) {
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
