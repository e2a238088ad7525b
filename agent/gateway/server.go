package gateway

import (
	"bytes"
	stdlog "log"
	"net/http"
	"time"

	"github.com/sirupsen/logrus"
)

// Times after which a client that does not read or write loses its connection.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = time.Minute     // for a whole request body
	writeTimeout  = 2 * time.Minute // for a whole answer, once there is one
	idleTimeout   = 2 * time.Minute // between two requests
)

// maxHeader bounds the header of a request in bytes.
const maxHeader = 16 << 10

// NewServer returns a server for h with limits in time and size, so that no
// client can hold anything for ever: neither one that sends no request or half
// of one, nor one that does not read the answer. What net/http has to say goes to
// log.
//
// HTTP/1.1 alone is spoken.
func NewServer(h http.Handler, log logrus.FieldLogger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            headerTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader,
		Protocols:                    protocols,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     stdlog.New(lineWriter{log}, "", 0),
	}
}

// lineWriter logs what package log writes.
type lineWriter struct{ log logrus.FieldLogger }

func (w lineWriter) Write(line []byte) (int, error) {
	w.log.Debug(string(bytes.TrimSpace(line)))
	return len(line), nil
}
