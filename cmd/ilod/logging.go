package main

import (
	"io"

	"github.com/sirupsen/logrus"
)

// newLogger makes the program's only logger: warnings and above on w, with no
// secret in them.
func newLogger(w io.Writer) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(w)
	log.SetLevel(logrus.WarnLevel)
	log.AddHook(redaction{})
	return log
}
