package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
)

func TestTokenIsNeverLogged(t *testing.T) {
	const token, short, password = "ab810a29761d65cfdd5dbe8a57e6da1e", "tok3n", "s3cret word"
	const handle = "ilod-9c4a0b7cf3a0b8e1.12.Vq-1_3b0dPz7mC5r0qjv3Fq2yA8tJ9sLw6uXeHkNnRg"
	for _, formatter := range []logrus.Formatter{&logrus.TextFormatter{}, &logrus.JSONFormatter{}} {
		var out bytes.Buffer
		log := newLogger(&out)
		log.SetFormatter(formatter)
		log.SetLevel(logrus.TraceLevel)
		for _, level := range logrus.AllLevels[2:] { // Panic and Fatal end the program
			log.WithFields(logrus.Fields{
				"token":        short,
				"X-Auth-Token": short,
				"headers":      http.Header{"X-Auth-Token": {short}, "Authorization": {"Basic " + password}, "Etag": {"kept"}},
				"body":         []byte("kept"),
				"text":         "X-Auth-Token: " + short,
				"list":         `{"ReadCommunities":["` + short + `","x","` + short + `"],"AssetTag":"kept"}`,
				"map":          fmt.Sprint(map[string]any{"PrivacyPassphrase": short, "Other": "kept"}),
				"key":          `{"LicenseKey": "` + short + `"}`,
				"json":         `{"UserName":"u","Password":"` + password + `"}`,
				"bare":         token,
				"handle":       []string{"export ILOD_SESSION=" + handle},
				"error":        errors.New("with " + token),
				"stringer":     stringer(token),
				"count":        7,
			}).Log(level, "X-Auth-Token: "+short+"\nAuthorization: Basic "+password)
		}
		for _, bad := range []string{token, short, password, handle[len(handle)-20:]} {
			if strings.Contains(out.String(), bad) {
				t.Errorf("%q shows in\n%s", bad, out.String())
			}
		}
		for _, kept := range []string{"kept", "7", `UserName`} {
			if !strings.Contains(out.String(), kept) {
				t.Errorf("%q is missing in\n%s", kept, out.String())
			}
		}
	}
}

type stringer string

func (s stringer) String() string { return string(s) }

func TestRedactKeeps(t *testing.T) {
	for _, text := range []string{
		"GET /redfish/v1/Systems/1: 404 Not Found: Base.1.4.ResourceMissingAtURI",
		"client session ilod-9c4a0b7cf3a0b8e1", "unknown key: clients", "credentials: the iLO wants some",
		"724d47b7-f6ec-5b98-bb39-6a46562d65da", `W/"4EB31F85"`,
		"/redfish/v1/SessionService/Sessions/system%20administrator000000005b6da206f020c3c9/",
	} {
		if got := redact(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}
