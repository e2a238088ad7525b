package platform

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/coreos/go-systemd/v22/journal"
	"github.com/sirupsen/logrus"
)

// Activated returns the listeners that systemd opened for this process, by
// their FileDescriptorName= (sd_listen_fds_with_names(3)). Only the first call
// does.
func Activated() (map[string][]net.Listener, error) { return activation.ListenersWithNames() }

// ServiceManager tells systemd how the process is doing (sd_notify(3)). Without
// systemd its methods do nothing.
type ServiceManager struct{}

// Ready says that requests are served.
func (ServiceManager) Ready() { notify(daemon.SdNotifyReady) }

// Stopping says that no more are taken.
func (ServiceManager) Stopping() { notify(daemon.SdNotifyStopping) }

// Status is a line for people, shown by systemctl.
func (ServiceManager) Status(text string) { notify("STATUS=" + strings.ReplaceAll(text, "\n", " ")) }

// Alive feeds the watchdog.
func (ServiceManager) Alive() { notify(daemon.SdNotifyWatchdog) }

// Watchdog is how often Alive is to be called: twice in WatchdogSec=; 0 for
// never.
func (ServiceManager) Watchdog() time.Duration {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0
	}
	return interval / 2
}

// notify cannot be answered, and a lost message is nothing to stop for.
func notify(state string) { _, _ = daemon.SdNotify(false, state) }

// Journal returns a hook that sends log entries to systemd's journal with their
// fields, if that is where standard error goes. The logger's own output would
// then be a second copy.
func Journal() (hook logrus.Hook, ok bool) {
	ok, _ = journal.StderrIsJournalStream()
	return journalHook{journal.Send}, ok
}

type journalHook struct {
	send func(message string, priority journal.Priority, fields map[string]string) error
}

func (journalHook) Levels() []logrus.Level { return logrus.AllLevels }

var priorities = map[logrus.Level]journal.Priority{
	logrus.PanicLevel: journal.PriCrit,
	logrus.FatalLevel: journal.PriCrit,
	logrus.ErrorLevel: journal.PriErr,
	logrus.WarnLevel:  journal.PriWarning,
	logrus.InfoLevel:  journal.PriInfo,
	logrus.DebugLevel: journal.PriDebug,
	logrus.TraceLevel: journal.PriDebug,
}

// Fire sends one entry. The message carries the error, too, since journalctl
// shows nothing else of an entry unless asked.
func (h journalHook) Fire(e *logrus.Entry) error {
	fields := make(map[string]string, len(e.Data))
	message := e.Message
	for key, value := range e.Data {
		text := fmt.Sprint(value)
		fields["ILOD_"+journalField(key)] = text
		if key == logrus.ErrorKey {
			message += ": " + text
		}
	}
	return h.send(message, priorities[e.Level], fields)
}

// journalField makes a key one that the journal takes: capitals, digits and
// underscores (systemd.journal-fields(7)).
func journalField(key string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(key))
}
