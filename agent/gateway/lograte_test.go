package gateway

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
)

// TestNobodyFillsTheLog: what a client can do as often as it likes is written once
// a minute, with how often it happened in between.
func TestNobodyFillsTheLog(t *testing.T) {
	for name, c := range map[string]struct {
		who    *Peer
		header []string
	}{
		"wrong login": {nil, []string{"Authorization", "Basic cmVtb3RlOmd1ZXNz"}},
		"iLO away":    {&reader, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				logger, log := logtest.NewNullLogger()
				g := newGateway(t, Options{Accounts: testAccounts, Log: logger, Next: &next{answer: func(*http.Request) (*http.Response, error) {
					return nil, errors.New("away")
				}}})
				ask(g, c.who, "GET", "/redfish/v1/Systems", "", c.header...)
				for range 1000 {
					ask(g, c.who, "GET", "/redfish/v1/Systems", "", c.header...)
				}
				time.Sleep(logEvery)
				ask(g, c.who, "GET", "/redfish/v1/Systems", "", c.header...)
				var lines []*logrus.Entry
				for _, e := range log.AllEntries() {
					if e.Level <= logrus.InfoLevel {
						lines = append(lines, e)
					}
				}
				if len(lines) != 2 || lines[0].Data["moreBefore"] != nil || lines[1].Data["moreBefore"] != 1000 {
					t.Errorf("%d lines, the last of which says %v", len(lines), lines[len(lines)-1].Data)
				}
			})
		})
	}
}
