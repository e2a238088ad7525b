package ilosession

import "testing"

func TestLocationPath(t *testing.T) {
	const want = "/redfish/v1/SessionService/Sessions/system%20administrator000000005b6da206f020c3c9/"
	for _, location := range []string{
		want,
		"https://172.16.50.99/redfish/v1/SessionService/Sessions/system administrator000000005b6da206f020c3c9/",
		"https:///redfish/v1/SessionService/Sessions/system administrator000000005b6da206f020c3c9/",
		"https://[fe80::1]:8443/redfish/v1/SessionService/Sessions/system%20administrator000000005b6da206f020c3c9/",
		"//ilo/redfish/v1/SessionService/Sessions/system administrator000000005b6da206f020c3c9/",
		"https://restore.example/redfish/v1/SessionService/Sessions/system administrator000000005b6da206f020c3c9/",
		"ilo/redfish/v1/SessionService/Sessions/system administrator000000005b6da206f020c3c9/",
	} {
		if got, err := locationPath(location); err != nil || got != want {
			t.Errorf("%q: got %q, %v", location, got, err)
		}
	}
	for location, want := range map[string]string{
		"https://ilo/rest/v1/Sessions/a":     "/rest/v1/Sessions/a",
		"/redfish/v1/Sessions//rest/a":       "/redfish/v1/Sessions//rest/a",
		"https://ilo/rest/v1/redfish/a":      "/rest/v1/redfish/a",
		"https://ilo/prefix/redfish/v1/S/a?": "/redfish/v1/S/a?",
	} {
		if got, err := locationPath(location); err != nil || got != want {
			t.Errorf("%q: got %q, %v", location, got, err)
		}
	}
	for _, location := range []string{"", "https://ilo", "https://ilo/", "https://redfish", "/v1/Sessions/a", "/redfish/v1/a\r\nX: y", "/redfish/v1/%zz"} {
		if got, err := locationPath(location); err == nil {
			t.Errorf("%q: got %q, want an error", location, got)
		}
	}
}
