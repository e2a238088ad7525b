package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/agent/schedule"
)

// TestProxyPassesUnchanged: what the iLO answers arrives as it was, on a real
// socket, whatever the method.
func TestProxyPassesUnchanged(t *testing.T) {
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		for _, status := range []int{200, 201, 202, 204, 304, 308, 400, 404, 405, 412, 500, 503} {
			header := http.Header{
				"Content-Type": {"application/json; charset=utf-8"}, "Etag": {`W/"440AC418"`}, "Allow": {"GET, HEAD, PATCH"},
				"Link": {"</redfish/v1/SchemaStore/en/X.json/>; rel=describedby", "</y>; rel=z"}, "Date": {"Thu, 01 Nov 2001 00:00:00 GMT"},
				"Cache-Control": {"no-cache"}, "Location": {"https://[::1]/redfish/v1/Systems/x y"}, "X-Odd": {" a;b "}, "Retry-After": {"3"},
				"Content-Encoding": {"gzip"}, "Odata-Version": {"4.0"}, "Age": {"7"}, "Cache-Status": {"ilod; hit"},
			}
			body := "\x1f\x8bnot really gzip\x00"
			if status == 204 || status == 304 {
				body = ""
			}
			n := &next{answer: func(r *http.Request) (*http.Response, error) {
				h := header.Clone()
				h.Set("Connection", "close, X-Hop")
				h.Set("X-Hop", "1")
				h.Set("Keep-Alive", "timeout=5")
				h.Set("Transfer-Encoding", "chunked")
				return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}, nil
			}}
			client := unixClient(t, serveUnix(t, newGateway(t, Options{Next: n}), root))
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			req, _ := http.NewRequest(method, "http://ilod/redfish/v1/systems//1/?$expand=.", nil)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != status || string(got) != body {
				t.Errorf("%s %d: %d %q %v", method, status, resp.StatusCode, got, err)
			}
			resp.Header.Del("Content-Length")
			want := header.Clone()
			want["X-Odd"] = []string{"a;b"} // blanks around a value are not part of it
			want["Location"] = []string{"/redfish/v1/Systems/x%20y"}
			if status == 304 {
				want.Del("Content-Type") // net/http withholds what a 304 need not repeat
				resp.Header.Del("Content-Type")
			}
			if diff := cmp.Diff(want, resp.Header); diff != "" {
				t.Errorf("%s %d: %s", method, status, diff)
			}
			if r, _ := n.last(); r.URL.String() != "https://ilo/redfish/v1/systems//1/?$expand=." || r.Method != method || r.Host != "ilo" {
				t.Errorf("%s %s", r.Method, r.URL)
			}
		}
	}
}

func TestHeadHasNoBody(t *testing.T) {
	n := &next{answer: func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Length": {"1234"}}, Body: http.NoBody, ContentLength: 1234}, nil
	}}
	client := unixClient(t, serveUnix(t, newGateway(t, Options{Next: n}), root))
	for _, path := range []string{"/redfish/v1/Systems", "/ilod/v1/metrics"} {
		resp, err := client.Head("http://ilod" + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 || resp.ContentLength <= 0 {
			t.Errorf("%s: %d, length %d", path, resp.StatusCode, resp.ContentLength)
		}
	}
	if r, _ := n.last(); r.Method != "HEAD" {
		t.Error(r.Method)
	}
}

func TestOptions(t *testing.T) {
	n := &next{answer: func(*http.Request) (*http.Response, error) { return respond(405, "", "Allow", "POST"), nil }}
	g := newGateway(t, Options{Next: n})
	w := ask(g, &root, "OPTIONS", "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset", "")
	if w.Code != 204 || w.Header().Get("Allow") != "POST" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if r, _ := n.last(); r.Method != "HEAD" {
		t.Errorf("the iLO got %s", r.Method)
	}
	w = ask(g, &root, "OPTIONS", "/ilod/v1/cache", "")
	if w.Code != 204 && w.Code != 404 || w.Header().Get("Allow") != "GET, HEAD, OPTIONS, POST, DELETE" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	n.answer = func(*http.Request) (*http.Response, error) { return respond(404, ""), nil }
	if w := ask(g, &root, "OPTIONS", "/redfish/v1/absent", ""); w.Code != 404 {
		t.Errorf("%d", w.Code)
	}
}

// TestRequestHeaders: what the iLO gets of a client's header are fields that mean
// something to a Redfish service, and no others.
func TestRequestHeaders(t *testing.T) {
	n := &next{}
	g := newGateway(t, Options{Next: n})
	ask(g, &operator, "PATCH", "/redfish/v1/Systems/1", `{"a":1}`,
		"Authorization", "Basic YTpzZWNyZXQ=", "Cookie", "sessionKey=secret", "Connection", "x-mine, close", "X-Mine", "1", "Keep-Alive", "1",
		"Te", "trailers", "Upgrade", "h2c", "Proxy-Authorization", "Basic c2VjcmV0", "Expect", "100-continue", "Referer", "http://a/", "Ilod-Class", "background",
		"Content-Type", "application/json", "If-Match", `W/"1"`, "Odata-Version", "4.0", "Accept-Encoding", "gzip", "Cache-Control", "max-age=5", "Accept-Language", "ja", "Accept-Language", "en",
		"X-Two", "a", "Forwarded", "for=a", "X-Forwarded-Host", "a", "X-Original-Url", "/redfish/v1/AccountService", "X-Hp-Session", "secret", "Date", "x")
	r, body := n.last()
	want := http.Header{
		"Content-Type": {"application/json"}, "If-Match": {`W/"1"`}, "Odata-Version": {"4.0"}, "Accept-Encoding": {"gzip"},
		"Cache-Control": {"max-age=5"}, "Accept-Language": {"ja", "en"},
	}
	if diff := cmp.Diff(want, r.Header); diff != "" {
		t.Error(diff)
	}
	if body != `{"a":1}` || r.ContentLength != 7 {
		t.Errorf("body %q of %d bytes", body, r.ContentLength)
	}
	again, err := r.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(again); string(b) != body {
		t.Errorf("again: %q", b)
	}
}

func TestAnonymousReadsCostTheILONothing(t *testing.T) {
	n := &next{}
	g := newGateway(t, Options{Next: n, Accounts: testAccounts})
	w := ask(g, nil, "GET", "/redfish/v1/?$expand=.", "", "Cache-Control", "no-cache", "Pragma", "no-cache")
	r, _ := n.last()
	if w.Code != 200 || r.URL.RawQuery != "" || len(r.Header) != 0 {
		t.Errorf("%d %s %v", w.Code, r.URL, r.Header)
	}
}

func TestClassAndPeer(t *testing.T) {
	n := &next{}
	g := newGateway(t, Options{Next: n})
	token := ask(g, &operator, "POST", sessionsPath, "").Header().Get(tokenHeader)
	for _, c := range []struct {
		method, path string
		header       []string
		want         schedule.Class
	}{
		{"GET", "/redfish/v1/Systems/1", nil, schedule.Interactive},
		{"HEAD", "/redfish/v1/Systems/1", []string{classHeader, "background"}, schedule.Background},
		{"PATCH", "/redfish/v1/Systems/1", nil, schedule.Write},
		{"DELETE", "/redfish/v1/Systems/1", []string{classHeader, "background"}, schedule.Write},
		{"GET", "/redfish/v1/Systems/1/LogServices/IML/Entries", nil, schedule.Bulk},
		{"GET", "/rest/v1/Systems/1/Logs/IML/Entries", nil, schedule.Bulk},
		{"GET", "/redfish/v1/RegistryStore/registries/en/Base.json", nil, schedule.Bulk},
		{"GET", "/redfish/v1/ResourceDirectory/", nil, schedule.Bulk},
		{"GET", "/redfish/v1/$metadata", nil, schedule.Bulk},
	} {
		if w := ask(g, &operator, c.method, c.path, "", c.header...); w.Code != 200 {
			t.Fatalf("%s: %d", c.path, w.Code)
		}
		r, _ := n.last()
		if got, _ := schedule.ClassOf(r.Context()); got != c.want {
			t.Errorf("%s %s: %v, want %v", c.method, c.path, got, c.want)
		}
		if got := schedule.PeerOf(r.Context()); got != (schedule.Peer{User: "uid:1001"}) {
			t.Errorf("peer %+v", got)
		}
	}
	ask(g, &operator, "GET", "/redfish/v1/Systems/1", "", tokenHeader, token)
	if r, _ := n.last(); schedule.PeerOf(r.Context()).User != "uid:1001" || !strings.HasPrefix(schedule.PeerOf(r.Context()).Session, "ilod-") {
		t.Errorf("peer %+v", schedule.PeerOf(r.Context()))
	}
	ask(g, &root, "GET", "/redfish/v1/Systems/1", "")
	if r, _ := n.last(); schedule.PeerOf(r.Context()) != (schedule.Peer{User: "uid:0", Privileged: true}) {
		t.Errorf("peer %+v", schedule.PeerOf(r.Context()))
	}
	wantFailure(t, ask(g, &operator, "GET", "/redfish/v1/Systems/1", "", classHeader, "urgent"), 400, "HeaderInvalid")
}

// TestBodies: sizes that are known and not, at the limit and over it.
func TestBodies(t *testing.T) {
	n := &next{}
	g := newGateway(t, Options{Next: n})
	client := unixClient(t, serveUnix(t, g, operator))
	for _, c := range []struct {
		name    string
		size    int
		chunked bool
		status  int
	}{
		{"empty", 0, false, 200}, {"small", 10, false, 200}, {"not JSON, chunked", 100_000, true, 200},
		{"at the limit", maxBody, false, 200}, {"at the limit, chunked", maxBody, true, 200},
		{"over", maxBody + 1, false, 413}, {"over, chunked", maxBody + 1, true, 413},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := n.count()
			var body io.Reader = bytes.NewReader(bytes.Repeat([]byte("x"), c.size))
			if c.chunked {
				body = io.MultiReader(body)
			}
			req, _ := http.NewRequest("POST", "http://ilod/redfish/v1/Systems/1/Actions/X", body)
			req.Header.Set("Content-Type", "application/octet-stream")
			if !c.chunked {
				req.Header.Set("Expect", "100-continue") // so that the refusal does not cross the body
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			answer, _ := io.ReadAll(resp.Body)
			if c.status != 200 {
				checkFailure(t, resp, answer, c.status, "PayloadTooLarge")
				if n.count() != before {
					t.Error("the iLO was asked")
				}
				return
			}
			if resp.StatusCode != c.status {
				t.Fatalf("%d %s", resp.StatusCode, answer)
			}
			r, got := n.last()
			if len(got) != c.size || r.ContentLength != int64(c.size) {
				t.Errorf("the iLO got %d bytes, announced %d", len(got), r.ContentLength)
			}
		})
	}
	if got := g.budget.Held(); got != 0 {
		t.Errorf("%d bytes are still accounted for", got)
	}
}

// TestCancelledClient: a client that leaves ends the context of its request and
// gets no answer.
func TestCancelledClient(t *testing.T) {
	inside, cause := make(chan struct{}), make(chan error, 1)
	n := &next{answer: func(r *http.Request) (*http.Response, error) {
		close(inside)
		<-r.Context().Done()
		cause <- r.Context().Err()
		return nil, r.Context().Err()
	}}
	g := newGateway(t, Options{Next: n})
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "POST", "http://ilod/redfish/v1/Systems/x", strings.NewReader("{}"))
	client := unixClient(t, serveUnix(t, g, operator))
	failed := make(chan error, 1)
	go func() {
		resp, err := client.Do(req)
		if err == nil {
			err = fmt.Errorf("the answer %s", resp.Status)
			resp.Body.Close()
		}
		failed <- err
	}()
	select {
	case <-inside:
	case err := <-failed:
		t.Fatalf("the iLO was not asked: %v", err)
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := <-cause; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestHalfAnAnswer: when the iLO's body breaks off the client sees that.
func TestHalfAnAnswer(t *testing.T) {
	n := &next{answer: func(*http.Request) (*http.Response, error) {
		resp := respond(200, "")
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("half"), brokenReader{}))
		resp.ContentLength = -1
		return resp, nil
	}}
	resp, err := unixClient(t, serveUnix(t, newGateway(t, Options{Next: n}), root)).Get("http://ilod/redfish/v1/Systems/x")
	if err == nil {
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
	}
	if err == nil {
		t.Error("the client takes half an answer for a whole one")
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("the channel broke") }

func TestImpossibleStatus(t *testing.T) {
	for _, status := range []int{0, 99, 101, 600, 1000} {
		n := &next{answer: func(*http.Request) (*http.Response, error) { return respond(status, ""), nil }}
		if w := ask(newGateway(t, Options{Next: n}), &root, "GET", "/redfish/v1/Systems/x", ""); w.Code != 502 {
			t.Errorf("%d became %d", status, w.Code)
		}
	}
}

// TestBadRequests sends raw bytes over the socket: none of it reaches the iLO.
func TestBadRequests(t *testing.T) {
	n := &next{}
	path := serveUnix(t, newGateway(t, Options{Next: n}), root)
	for _, c := range []struct {
		request string
		status  int
		key     string // empty: net/http answers by itself
	}{
		{"GET http://ilod/redfish/v1/ HTTP/1.1\r\nHost: ilod\r\n\r\n", 400, "InvalidURI"},
		{"GET https://evil/redfish/v1/ HTTP/1.1\r\nHost: ilod\r\n\r\n", 400, "InvalidURI"},
		{"GET /redfish/v1/../../etc HTTP/1.1\r\nHost: ilod\r\n\r\n", 400, "InvalidURI"},
		{"GET /redfish/v1/%2e%2e/x HTTP/1.1\r\nHost: ilod\r\n\r\n", 400, "InvalidURI"},
		{"GET /redfish/v1/./x HTTP/1.1\r\nHost: ilod\r\n\r\n", 400, "InvalidURI"},
		{"GET /redfish%2Fv1/Systems HTTP/1.1\r\nHost: ilod\r\n\r\n", 400, "InvalidURI"},
		{"GET /redfish/v1/a%2fb HTTP/1.1\r\nHost: ilod\r\n\r\n", 400, "InvalidURI"},
		{"GET /redfish/v1/a%5cb HTTP/1.1\r\nHost: ilod\r\n\r\n", 400, "InvalidURI"},
		{"GET /redfish/v1/a%252fb HTTP/1.1\r\nHost: ilod\r\n\r\n", 400, "InvalidURI"},
		{"GET /redfish/v1/a%00b HTTP/1.1\r\nHost: ilod\r\n\r\n", 400, "InvalidURI"},
		{"GET /redfish/v1/a%0d%0ab HTTP/1.1\r\nHost: ilod\r\n\r\n", 400, "InvalidURI"},
		{"GET /redfish/v1/AccountService;x/ HTTP/1.1\r\nHost: ilod\r\n\r\n", 400, "InvalidURI"},
		{"OPTIONS * HTTP/1.1\r\nHost: ilod\r\n\r\n", 400, "InvalidURI"},
		{"CONNECT ilo:443 HTTP/1.1\r\nHost: ilo:443\r\n\r\n", 400, "InvalidURI"},
		{"CONNECT /redfish/v1 HTTP/1.1\r\nHost: ilod\r\n\r\n", 405, "OperationNotAllowed"},
		{"TRACE /redfish/v1 HTTP/1.1\r\nHost: ilod\r\n\r\n", 405, "OperationNotAllowed"},
		{"BREW /redfish/v1 HTTP/1.1\r\nHost: ilod\r\n\r\n", 501, "OperationNotAllowed"},
		{"get /redfish/v1 HTTP/1.1\r\nHost: ilod\r\n\r\n", 501, "OperationNotAllowed"},
		{"GET /favicon.ico HTTP/1.1\r\nHost: ilod\r\n\r\n", 404, "ResourceMissingAtURI"},
		{"GET / HTTP/1.1\r\nHost: ilod\r\n\r\n", 404, "ResourceMissingAtURI"},
		{"GET /redfishx/v1 HTTP/1.1\r\nHost: ilod\r\n\r\n", 404, "ResourceMissingAtURI"},
		{"PATCH /ilod/v1/status HTTP/1.1\r\nHost: ilod\r\nContent-Length: 2\r\n\r\n{}", 405, "OperationNotAllowed"},
		{"GET /redfish/v1 HTTP/1.1\r\nHost: ilod\r\nOrigin: http://evil\r\n\r\n", 403, "HeaderInvalid"},
		{"GET /redfish/v1 HTTP/1.1\r\nHost: ilod\r\nOrigin: null\r\n\r\n", 403, "HeaderInvalid"},
		{"POST /redfish/v1/Systems/x HTTP/1.1\r\nHost: ilod\r\nX-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n\r\n", 400, "HeaderInvalid"},
		{"GET /redfish/v1 HTTP/1.1\r\nHost: ilod\r\nX-Auth-Token: forged\r\n\r\n", 401, "SessionHandleInvalid"},
		{"GET /redfish/v1 HTTP/1.1\r\nHost: ilod\r\nX-Auth-Token:\r\n\r\n", 401, "SessionHandleInvalid"},
		{"GET /redfish/v1 HTTP/1.1\r\nHost: ilod\r\nX-Big: " + strings.Repeat("x", 80<<10) + "\r\n\r\n", 431, ""},
		{"GET /redfish/v1 HTTP/1.1\r\n\r\n", 400, ""},
		{"POST /redfish/v1/Systems/x HTTP/1.1\r\nHost: ilod\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "MalformedJSON"},
		{"POST /redfish/v1/Systems/x HTTP/1.1\r\nHost: ilod\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, ""},
		{"POST /redfish/v1/Systems/x HTTP/1.1\r\nHost: ilod\r\nContent-Length: 99999999999\r\n\r\n", 413, "PayloadTooLarge"},
		{"rubbish\r\n\r\n", 400, ""},
	} {
		name, _, _ := strings.Cut(c.request, "\r\n")
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go func() { _, _ = io.WriteString(conn, c.request) }()
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if c.key == "" {
				if resp.StatusCode != c.status {
					t.Errorf("%d %s", resp.StatusCode, body)
				}
				return
			}
			checkFailure(t, resp, body, c.status, c.key)
			if (c.status == 405) != (resp.Header.Get("Allow") != "") {
				t.Errorf("Allow: %q", resp.Header.Get("Allow"))
			}
		})
	}
	if n.count() != 0 {
		r, _ := n.last()
		t.Errorf("%d requests went to the iLO, at last %s %s", n.count(), r.Method, r.URL)
	}
}
