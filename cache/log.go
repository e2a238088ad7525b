package cache

import (
	"errors"
	"fmt"
	"strings"
)

// maxMessage bounds what is kept of BadgerDB's messages; from the second line on
// they may dump a value (seen with v4.9).
const maxMessage = 200

// badgerLog is told what BadgerDB logs. Of that, errors and warnings mean that a
// write, flush or compaction went wrong and will be tried again without end.
type badgerLog func(failure error)

func (l badgerLog) Errorf(format string, args ...any)   { l(clipped(fmt.Errorf(format, args...))) }
func (l badgerLog) Warningf(format string, args ...any) { l(clipped(fmt.Errorf(format, args...))) }

func (badgerLog) Infof(string, ...any)  {}
func (badgerLog) Debugf(string, ...any) {}

// clip returns the first line of a message, shortened.
func clip(message string) string {
	message, _, _ = strings.Cut(strings.TrimSpace(message), "\n")
	if len(message) > maxMessage {
		message = message[:maxMessage] + "…"
	}
	return strings.ToValidUTF8(message, "?")
}

// clipped returns an error with a clipped text, which wraps nothing.
func clipped(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(clip(err.Error()))
}
