package chif

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func newTestMessage(t *testing.T, method, url, body string, header ...string) (*message, error) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header[header[i]] = append(r.Header[header[i]], header[i+1])
	}
	return newMessage(r, nil)
}

// The bytes of HPE's client for the same requests (PROTOCOL.md §3).
func TestRequestBytes(t *testing.T) {
	for _, c := range []struct {
		method, url, body string
		header            []string
		want              string
	}{
		{"GET", "https://ilo/redfish/v1/", "", nil,
			"GET /redfish/v1/ HTTP/1.1\r\nHost: \r\nAccept-Encoding: gzip\r\nOData-Version: 4.0\r\nAccept: */*\r\nConnection: Keep-Alive\r\n\r\n"},
		{"GET", "https://ilo/rest/v1", "", nil,
			"GET /rest/v1 HTTP/1.1\r\nHost: \r\nAccept-Encoding: gzip\r\nAccept: */*\r\nConnection: Keep-Alive\r\n\r\n"},
		{"POST", "https://ilo/redfish/v1/SessionService/Sessions/", `{"UserName": null, "Password": null}`, []string{"Content-Type", "application/json"},
			"POST /redfish/v1/SessionService/Sessions/ HTTP/1.1\r\nHost: \r\nAccept-Encoding: gzip\r\nOData-Version: 4.0\r\nAccept: */*\r\nConnection: Keep-Alive\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n{\"UserName\": null, \"Password\": null}"},
		{"DELETE", "https://ilo/redfish/v1/Systems/1/", "", []string{"X-Auth-Token", "0002"},
			"DELETE /redfish/v1/Systems/1/ HTTP/1.1\r\nHost: \r\nAccept-Encoding: gzip\r\nX-Auth-Token: 0002\r\nOData-Version: 4.0\r\nAccept: */*\r\nConnection: Keep-Alive\r\n\r\n"},
		// Hop headers go, other ones stay, sorted; a POST without a body has a length.
		{"POST", "chif://ilo//redfish///v1/x?a=//b", "", []string{"X-Z", "1", "If-Match", "e", "X-A", "1", "X-A", "2", "Connection", "close", "Te", "x", "Accept", "text/plain", "Accept-Encoding", "identity"},
			"POST /redfish/v1/x?a=//b HTTP/1.1\r\nHost: \r\nAccept-Encoding: identity\r\nOData-Version: 4.0\r\nAccept: text/plain\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\nIf-Match: e\r\nX-A: 1\r\nX-A: 2\r\nX-Z: 1\r\n\r\n"},
		// Any method may have a body, which then has a length.
		{"GET", "https://ilo/redfish/v1/", "{}", nil,
			"GET /redfish/v1/ HTTP/1.1\r\nHost: \r\nAccept-Encoding: gzip\r\nOData-Version: 4.0\r\nAccept: */*\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\n{}"},
		{"DELETE", "https://ilo/redfish/v1/", "{}", []string{"Odata-Version", "4.1"},
			"DELETE /redfish/v1/ HTTP/1.1\r\nHost: \r\nAccept-Encoding: gzip\r\nOData-Version: 4.1\r\nAccept: */*\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\n{}"},
	} {
		m, err := newTestMessage(t, c.method, c.url, c.body, c.header...)
		if err != nil {
			t.Errorf("%s %s: %v", c.method, c.url, err)
			continue
		}
		if diff := cmp.Diff(c.want, string(m.bytes())); diff != "" {
			t.Errorf("%s %s: %s", c.method, c.url, diff)
		}
	}
}

func TestInvalidRequests(t *testing.T) {
	for name, header := range map[string][]string{
		"line break in a value": {"X-A", "1\r\nX-Auth-Token: stolen"},
		"NUL in a value":        {"X-A", "1\x00"},
		"blank in a name":       {"X A", "1"},
		"empty name":            {"", "1"},
	} {
		if _, err := newTestMessage(t, "GET", "https://ilo/redfish/v1/", "", header...); !errors.Is(err, ErrInvalidRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := http.NewRequest("GET", "https://ilo", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*http.Request){
		"opaque path":       func(r *http.Request) { r.URL.Opaque = "redfish" },
		"blank in path":     func(r *http.Request) { r.URL.Opaque = "/redfish/v1 HTTP/1.1\r\n" },
		"blank in query":    func(r *http.Request) { r.URL.RawQuery = "a b" },
		"method of a kind":  func(r *http.Request) { r.Method = "GET /" },
		"control in method": func(r *http.Request) { r.Method = "G\x01" },
		"DEL in method":     func(r *http.Request) { r.Method = "G\x7f" },
		"letter of no kind": func(r *http.Request) { r.Method = "GÉT" },
		"DEL in path":       func(r *http.Request) { r.URL.Opaque = "/\x7f" },
		"control in path":   func(r *http.Request) { r.URL.Opaque = "/\x1f" },
	} {
		bad := r.Clone(t.Context())
		spoil(bad)
		if _, err := newMessage(bad, nil); !errors.Is(err, ErrInvalidRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A request body has at most 32 MiB.
func TestRequestBodyIsBounded(t *testing.T) {
	for size, want := range map[int64]error{32 << 20: nil, 32<<20 + 1: ErrTooLarge} {
		r, err := http.NewRequest("POST", "https://ilo", io.LimitReader(zeroReader{}, size))
		if err != nil {
			t.Fatal(err)
		}
		if m, err := newMessage(r, nil); !errors.Is(err, want) || err == nil && int64(len(m.body)) != size {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// A request is good without a method, which means GET, without a header, and with
// a body of unknown length.
func TestRequestMayLeaveOutWhatGoAllows(t *testing.T) {
	u, err := url.Parse("https://ilo/redfish/v1/")
	if err != nil {
		t.Fatal(err)
	}
	for _, length := range []int64{0, -1} {
		m, err := newMessage(&http.Request{URL: u, Body: io.NopCloser(strings.NewReader("{}")), ContentLength: length}, nil)
		if err != nil || m.method != http.MethodGet || string(m.body) != "{}" || m.header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("length %d: %+v, %v", length, m, err)
		}
	}
	if m, err := newMessage(&http.Request{URL: u, Body: http.NoBody}, nil); err != nil || m.body != nil {
		t.Errorf("%+v, %v", m, err)
	}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { return len(p), nil }

// Answer forms of PROTOCOL.md §3.
func TestParseAnswer(t *testing.T) {
	const gz = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\xaa\xae\x05\x04\x00\x00\xff\xff\x43\xbf\xa6\xa3\x02\x00\x00\x00" // {}
	for _, c := range []struct {
		name, method, raw string
		body              string
		err               error // ErrProtocol means none of the others, which match it
	}{
		{"Content-Length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "{}", nil},
		{"no length", "GET", "HTTP/1.1 200 OK\r\n\r\n{}", "{}", nil},
		{"chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", "{}", nil},
		{"chunks one character long, and bytes behind", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n\x00", "{}", nil},
		{"Connection: close", "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", "{}", nil},
		{"status below 200", "GET", "HTTP/1.1 199 Odd\r\nContent-Length: 2\r\n\r\n{}", "", ErrProtocol},
		{"empty gzip", "GET", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", nil},
		{"HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", "{}", nil},
		{"LF only", "GET", "HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", "{}", nil},
		{"no reason", "GET", "HTTP/1.1 200\r\ncontent-length: 2\r\n\r\n{}", "{}", nil},
		{"bytes behind the end", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}\x00\x00", "{}", nil},
		{"continue", "GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "{}", nil},
		{"underscore in a name", "GET", "HTTP/1.1 200 OK\r\nX_HP-CHRP-Service-Version: 1.0.3\r\nContent-Length: 2\r\n\r\n{}", "{}", nil},
		{"204", "DELETE", "HTTP/1.1 204 No Content\r\n\r\n", "", nil},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "", nil},
		{"HEAD with a length", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "", nil},
		{"HEAD of gzip", "HEAD", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n", "", nil},
		{"gzip", "GET", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gz, "{}", nil},
		{"gzip cut", "GET", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gz[:len(gz)-4], "", errBadGzip},
		{"gzip checksum", "GET", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gz[:len(gz)-8] + "abcd" + gz[len(gz)-4:], "", errBadGzip},
		{"length too large", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", "", errTruncated},
		{"chunk cut", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}", "", errTruncated},
		{"bad chunk", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}", "", ErrProtocol},
		{"last chunk cut", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", "", errTruncated},
		{"last chunk cut inside its line end", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r", "", errTruncated},
		{"last chunk missing", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", "", errTruncated},
		{"header cut", "GET", "HTTP/1.1 200 OK\r\nContent-Le", "", errTruncated},
		{"empty", "GET", "", "", errEmptyAnswer},
		{"two continues", "GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}", "", ErrProtocol},
		{"leading line end", "GET", "\r\nHTTP/1.1 200 OK\r\n\r\n{}", "", ErrProtocol},
		{"HTTP/2", "GET", "HTTP/2 200 OK\r\n\r\n{}", "", ErrProtocol},
		{"HTTP/2.0", "GET", "HTTP/2.0 200 OK\r\n\r\n{}", "", ErrProtocol},
		{"no HTTP", "GET", "\x00\x01\x02\x03", "", ErrProtocol},
		{"negative length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}", "", ErrProtocol},
	} {
		m := &message{method: c.method, gunzip: true, header: http.Header{}}
		resp, err := m.parseAnswer([]byte(c.raw))
		if !errors.Is(err, c.err) || err != nil && !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.err)
		}
		if c.err == ErrProtocol && (errors.Is(err, errTruncated) || errors.Is(err, errBadGzip) || errors.Is(err, errEmptyAnswer)) {
			t.Errorf("%s: error %v, which another attempt might mend", c.name, err)
		}
		if err != nil {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || string(body) != c.body {
			t.Errorf("%s: body %q, %v", c.name, body, err)
		}
		length := int64(len(c.body))
		if c.method == "HEAD" {
			length = 9 // that of the body that GET would have
		}
		if resp.ContentLength != length || resp.TransferEncoding != nil || resp.Close {
			t.Errorf("%s: length %d, want %d, transfer encoding %v, close %v", c.name, resp.ContentLength, length, resp.TransferEncoding, resp.Close)
		}
	}
	m := &message{method: "GET", header: http.Header{}} // the caller asked for gzip himself
	resp, err := m.parseAnswer([]byte("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 26\r\n\r\n" + gz))
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(resp.Body); string(body) != gz || resp.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%q, %v", body, resp.Header)
	}
}

func TestLocationPath(t *testing.T) {
	for location, want := range map[string]string{
		"https://ilo/redfish/v1/x/":        "/redfish/v1/x/",
		"https:///redfish/v1/x":            "/redfish/v1/x",
		"/redfish/v1/x?a=b":                "/redfish/v1/x?a=b",
		"https://ilo/redfish/v1/a b/":      "/redfish/v1/a%20b/",
		"https://[fe80::1]:443/redfish//1": "/redfish/1",
		"https://ilo":                      "",
		"redfish/v1":                       "",
		" /redfish/v1\t":                   "/redfish/v1",
		"":                                 "",
	} {
		if got := locationPath(location); got != want {
			t.Errorf("%q: %q, want %q", location, got, want)
		}
	}
}

// What the iLO says goes into an error cut to 80 bytes, and quoted.
func TestErrorsQuoteTheILOBriefly(t *testing.T) {
	for text, want := range map[string]string{
		"a\r\n\x00":                `"a\r\n\x00"`,
		strings.Repeat("x", 80):    `"` + strings.Repeat("x", 80) + `"`,
		strings.Repeat("x", 81):    `"` + strings.Repeat("x", 80) + `…"`,
		strings.Repeat("x", 9<<10): `"` + strings.Repeat("x", 80) + `…"`,
	} {
		if got := clip(text); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
