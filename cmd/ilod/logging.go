package main

import (
	"io"
	"os"

	"github.com/sirupsen/logrus"
)

// newLogger makes the program's only logger: warnings and above on w, with no
// secret in them, and no colours where health has none or the terminal knows none.
func newLogger(w io.Writer) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(w)
	log.SetLevel(logrus.WarnLevel)
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		log.SetFormatter(&logrus.TextFormatter{DisableColors: true})
	}
	log.AddHook(redaction{})
	return log
}
