package gateway

import "testing"

// TestRequestsOfBrowsersAreRefused: what a page of another site sends with a
// browser of this host, and on the Unix socket any page.
func TestRequestsOfBrowsersAreRefused(t *testing.T) {
	n := &next{}
	g := newGateway(t, Options{Next: n})
	for _, site := range []string{"cross-site", "same-site", "same-origin", "", "None"} {
		for _, method := range []string{"GET", "POST"} {
			wantFailure(t, ask(g, &root, method, "/redfish/v1/Systems", "", "Sec-Fetch-Site", site), 403, "HeaderInvalid")
		}
	}
	wantFailure(t, ask(g, &root, "GET", "/redfish/v1/Systems", "", "Sec-Fetch-Site", "none", "Sec-Fetch-Site", "cross-site"), 403, "HeaderInvalid")
	if n.count() != 0 {
		t.Error("one went to the iLO")
	}
	if w := ask(g, &root, "GET", "/redfish/v1/Systems", "", "Sec-Fetch-Site", "none"); w.Code != 200 {
		t.Errorf("%d for what a person typed", w.Code)
	}
}

// TestOnlyODataVersion4IsServed (DSP0266, request headers), whoever answers.
func TestOnlyODataVersion4IsServed(t *testing.T) {
	n := &next{}
	g := newGateway(t, Options{Next: n, Status: statusOf})
	for _, path := range []string{"/redfish/v1/Systems", "/redfish/v1/SessionService/Sessions", "/ilod/v1/status"} {
		for _, version := range []string{"4.1", "3.0", "", "x"} {
			wantFailure(t, ask(g, &root, "GET", path, "", "OData-Version", version), 412, "HeaderInvalid")
		}
		if n.count() != 0 {
			t.Fatalf("%s went to the iLO", path)
		}
	}
	if w := ask(g, &root, "GET", "/redfish/v1/Systems", "", "OData-Version", "4.0"); w.Code != 200 {
		t.Errorf("%d for 4.0", w.Code)
	}
}

// TestUnknownQueryParameters (DSP0266, query parameters): one with a $ is not
// implemented, only has no value, and others are the iLO's to judge.
func TestUnknownQueryParameters(t *testing.T) {
	n := &next{}
	g := newGateway(t, Options{Next: n, Status: statusOf})
	for _, path := range []string{"/redfish/v1/Systems?$foo=bar", "/redfish/v1/?%24foo", "/redfish/v1/SessionService/Sessions?$foo", "/ilod/v1/status?$foo"} {
		wantFailure(t, ask(g, &root, "GET", path, ""), 501, "QueryNotSupported")
	}
	wantFailure(t, ask(g, &root, "GET", "/redfish/v1/SessionService/Sessions?only=foo", ""), 400, "QueryNotSupported")
	if n.count() != 0 {
		t.Error("one went to the iLO")
	}
	for _, path := range []string{"/redfish/v1/Systems?only", "/redfish/v1/Systems?foo=bar", "/redfish/v1/Systems?$expand=.", "/redfish/v1/Systems?$top=1&$skip=1"} {
		if w := ask(g, &root, "GET", path, ""); w.Code != 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
