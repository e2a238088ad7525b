// Package silent gives a log to rooms that have none: it discards everything.
package silent

import (
	"io"

	"github.com/sirupsen/logrus"
)

// Unless returns log, or if it is nil one that discards everything.
func Unless(log logrus.FieldLogger) logrus.FieldLogger {
	if log == nil {
		return &logrus.Logger{Out: io.Discard, Formatter: new(logrus.TextFormatter), Level: logrus.PanicLevel}
	}
	return log
}
