package platform

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/windows/svc/eventlog"
)

// The numbers of events. EventCreate.exe, whose texts are used, has 1 to 1000.
const (
	eventWarning = 1
	eventError   = 2
)

// events is the event log.
type events interface {
	Warning(id uint32, text string) error
	Error(id uint32, text string) error
	io.Closer
}

// openEvents opens the event log; tests let it fail.
var openEvents = func(source string) (events, error) { return eventlog.Open(source) }

// installSource registers a source, so that the event viewer shows its texts.
func installSource(name string) error {
	_ = eventlog.Remove(name) // one of an earlier installation is an error
	return eventlog.InstallAsEventCreate(name, eventlog.Warning|eventlog.Error)
}

// EventLog returns a hook that writes warnings and errors to the event log, in the
// name of a source.
func EventLog(source string) (interface {
	logrus.Hook
	io.Closer
}, error) {
	log, err := openEvents(source)
	if err != nil {
		return nil, fmt.Errorf("event log: %w", err)
	}
	return eventHook{log}, nil
}

type eventHook struct{ events }

// Levels are those of warnings and errors.
func (eventHook) Levels() []logrus.Level {
	return []logrus.Level{logrus.PanicLevel, logrus.FatalLevel, logrus.ErrorLevel, logrus.WarnLevel}
}

// Fire writes one entry, with its fields.
func (h eventHook) Fire(e *logrus.Entry) error {
	text := e.Message
	for _, key := range slices.Sorted(maps.Keys(e.Data)) {
		text += fmt.Sprintf("\n%s: %v", key, e.Data[key])
	}
	text = strings.ReplaceAll(text, "\x00", "") // where the system's strings end
	if e.Level == logrus.WarnLevel {
		return h.Warning(eventWarning, text)
	}
	return h.Error(eventError, text)
}
