package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/ilosession"
)

func statusOf(context.Context) any { return map[string]string{"state": "idle"} }

func warmNothing(context.Context, api.Warm, func(api.Warming)) error { return nil }

// fakeTable is an iLO's session table.
type fakeTable struct {
	entries []api.ILOSession
	ended   []string
	logins  int
	logouts int
	err     error
}

func (f *fakeTable) Logout(context.Context) error {
	f.logouts++
	return f.err
}

func (f *fakeTable) Table(context.Context) ([]api.ILOSession, error) { return f.entries, f.err }

func (f *fakeTable) Terminate(_ context.Context, id string, o ilosession.TerminateOptions) (api.ILOSession, error) {
	for _, e := range f.entries {
		switch {
		case e.ID != id:
		case !e.InBand:
			return e, fmt.Errorf("%w: kind %s", ilosession.ErrProtected, e.Kind)
		default:
			if !o.DryRun {
				f.ended = append(f.ended, id)
			}
			if o.Login {
				f.logins++
			}
			return e, nil
		}
	}
	return api.ILOSession{}, fmt.Errorf("%w: %s", ilosession.ErrNoSession, id)
}

func TestOwnResources(t *testing.T) {
	table := &fakeTable{entries: []api.ILOSession{{ID: "system administrator01", Kind: "RESTHost", InBand: true}, {ID: "bob02", Kind: "Web UI"}}}
	cleared := 0
	var stopped string
	g := newGateway(t, Options{Status: statusOf, ILOSessions: table, Cache: &Cache{
		Stats: func() any { return map[string]int{"entries": 3} },
		Clear: func() error { cleared++; return nil },
		Warm:  warmNothing,
	}, Stop: func(by string) { stopped = by }})
	for _, c := range []struct {
		path, want string
	}{
		{"/ilod/v1/", `{"@odata.id":"/ilod/v1","Cache":{"@odata.id":"/ilod/v1/cache"},"ILO-Sessions":{"@odata.id":"/ilod/v1/ilo-sessions"},"Id":"ilod","Limits":{"@odata.id":"/ilod/v1/limits"},"Metrics":{"@odata.id":"/ilod/v1/metrics"},"Name":"ilod","Sessions":{"@odata.id":"/ilod/v1/sessions"},"Status":{"@odata.id":"/ilod/v1/status"}}`},
		{"/ilod/v1/status", `{"state":"idle"}`},
		{"/ilod/v1/cache", `{"entries":3}`},
	} {
		w := ask(g, &reader, "GET", c.path, "")
		if w.Code != 200 || w.Body.String() != c.want {
			t.Errorf("%s: %d %s", c.path, w.Code, w.Body)
		}
		if h := w.Header(); h.Get("OData-Version") != "4.0" || h.Get("Allow") == "" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", c.path, h)
		}
	}
	list := decode(t, ask(g, &reader, "GET", "/ilod/v1/ilo-sessions", "").Body.Bytes())
	if list["Members@odata.count"] != 2.0 {
		t.Errorf("%v", list)
	}
	one := decode(t, ask(g, &reader, "GET", "/ilod/v1/ilo-sessions/System%20Administrator01", "").Body.Bytes())
	if one["kind"] != "RESTHost" {
		t.Errorf("%v", one)
	}
	wantFailure(t, ask(g, &reader, "GET", "/ilod/v1/ilo-sessions/absent", ""), 404, "ResourceMissingAtURI")
	wantFailure(t, ask(g, &root, "DELETE", "/ilod/v1/ilo-sessions/absent", ""), 404, "ResourceMissingAtURI")
	wantFailure(t, ask(g, &root, "DELETE", "/ilod/v1/ilo-sessions/bob02", ""), 403, "ResourceCannotBeDeleted")
	for _, query := range []string{"?dryrun", "?dry-run=yes", "?dry-run&dry-run", "?dry-run=%zz", "?dry-run;x", "?login=maybe"} {
		wantFailure(t, ask(g, &root, "DELETE", "/ilod/v1/ilo-sessions/system%20administrator01"+query, ""), 400, "QueryNotSupported")
	}
	if w := ask(g, &root, "DELETE", "/ilod/v1/ilo-sessions/system%20administrator01?dry-run&login", ""); w.Code != 200 || len(table.ended) != 0 || table.logins != 1 {
		t.Errorf("dry run: %d, ended %v", w.Code, table.ended)
	}
	if w := ask(g, &root, "DELETE", "/ilod/v1/ilo-sessions/system%20administrator01", ""); w.Code != 200 || len(table.ended) != 1 {
		t.Errorf("terminate: %d, ended %v", w.Code, table.ended)
	}
	wantFailure(t, ask(g, &root, "DELETE", "/ilod/v1/ilo-sessions/current?x", ""), 400, "QueryNotSupported")
	if w := ask(g, &root, "DELETE", "/ilod/v1/ilo-sessions/current", ""); w.Code != 204 || table.logouts != 1 {
		t.Errorf("logout: %d, %d", w.Code, table.logouts)
	}
	if w := ask(g, &root, "DELETE", "/ilod/v1/cache", ""); w.Code != 204 || cleared != 1 || w.Body.Len() != 0 {
		t.Errorf("clear: %d, %d", w.Code, cleared)
	}
	wantFailure(t, ask(g, &root, "GET", "/ilod/v1/cache", "", "OData-Version", "3.0"), 412, "HeaderInvalid")
	wantFailure(t, ask(g, &operator, "POST", "/ilod/v1/stop", ""), 403, "InsufficientPrivilege")
	wantFailure(t, ask(g, &root, "POST", "/ilod/v1/stop?now", ""), 400, "QueryNotSupported")
	if stopped != "" {
		t.Errorf("stopped by %s", stopped)
	}
	if w := ask(g, &root, "POST", "/ilod/v1/stop", ""); w.Code != 204 || stopped != "root" {
		t.Errorf("stop: %d, by %q", w.Code, stopped)
	}
	table.err = context.DeadlineExceeded
	wantFailure(t, ask(g, &reader, "GET", "/ilod/v1/ilo-sessions", ""), 504, "OperationTimeout")

	bare := newGateway(t, Options{})
	wantFailure(t, ask(bare, &root, "POST", "/ilod/v1/stop", ""), 404, "ResourceMissingAtURI")
	for _, path := range []string{"/ilod/v1/status", "/ilod/v1/cache", "/ilod/v1/ilo-sessions", "/ilod/v1/ilo-sessions/x"} {
		wantFailure(t, ask(bare, &root, "GET", path, ""), 404, "ResourceMissingAtURI")
	}
}

func TestWarmReportsProgress(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		last string
	}{
		"finished": {nil, `{"done":2,"total":2,"finished":true}`},
		"failed":   {context.DeadlineExceeded, `"code":"Base.1.16.OperationTimeout"`},
	} {
		t.Run(name, func(t *testing.T) {
			seen, told := make(chan struct{}), false
			g := newGateway(t, Options{Cache: &Cache{Warm: func(ctx context.Context, _ api.Warm, progress func(api.Warming)) error {
				progress(api.Warming{Done: 1, Total: 2})
				select {
				case <-seen: // the line came through while the work goes on
				case <-ctx.Done():
					return ctx.Err()
				}
				progress(api.Warming{Done: 2, Total: 2})
				return c.err
			}}})
			resp, err := unixClient(t, serveUnix(t, g, operator)).Post("http://ilod/ilod/v1/cache", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var text strings.Builder
			buf := make([]byte, 1024)
			for err == nil {
				var n int
				n, err = resp.Body.Read(buf)
				text.Write(buf[:n])
				if !told && strings.Contains(text.String(), `"done":1`) {
					busy, err := unixClient(t, serveUnix(t, g, operator)).Post("http://ilod/ilod/v1/cache", "", nil)
					if err != nil || busy.StatusCode != http.StatusConflict {
						t.Errorf("second one: %v %v", busy, err)
					} else {
						busy.Body.Close()
					}
					close(seen)
					told = true
				}
			}
			lines := strings.Split(strings.TrimSpace(text.String()), "\n")
			if len(lines) != 4 || lines[0] != `{"done":0,"total":0}` || !strings.Contains(lines[3], c.last) {
				t.Errorf("%q", lines)
			}
		})
	}
}

// TestWarmEndsWithItsClient: ^C at "ilod cache warm" ends the work.
func TestWarmEndsWithItsClient(t *testing.T) {
	ended := make(chan error, 1)
	g := newGateway(t, Options{Cache: &Cache{Warm: func(ctx context.Context, _ api.Warm, progress func(api.Warming)) error {
		progress(api.Warming{Done: 1, Total: 2})
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}}})
	client := unixClient(t, serveUnix(t, g, operator))
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "POST", "http://ilod/ilod/v1/cache", nil)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestMetrics reads the answer by the grammar of the format (Prometheus
// exposition formats, version 0.0.4).
func TestMetrics(t *testing.T) {
	g := newGateway(t, Options{Metrics: func() []Metric {
		return []Metric{{"ilod_test_info", "odd: \\ and\nnewline", Gauge, []Sample{{[]Label{{"name", "a\"b\\c\nd"}, {"x", ""}}, 1e-7}}}}
	}})
	ask(g, &reader, "GET", "/redfish/v1/Systems", "")
	ask(g, &reader, "DELETE", "/redfish/v1/Systems", "")
	ask(g, &reader, "BREW", "/redfish/v1/Systems", "")
	ask(g, &reader, "POST", sessionsPath, "")
	w := ask(g, &reader, "GET", "/ilod/v1/metrics", "")
	if got := w.Header().Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
		t.Error(got)
	}
	const name, label = `[a-zA-Z_:][a-zA-Z0-9_:]*`, `[a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\[\\"n])*"`
	comment := regexp.MustCompile(`^# (HELP|TYPE) (` + name + `) (.*)$`)
	sample := regexp.MustCompile(`^(` + name + `)(\{` + label + `(,` + label + `)*\})? (\S+)$`)
	values, family, typed := map[string]string{}, "", map[string]string{}
	for line := range strings.Lines(w.Body.String()) {
		line = strings.TrimSuffix(line, "\n")
		if m := comment.FindStringSubmatch(line); m != nil {
			if family = m[2]; m[1] == "TYPE" {
				if typed[family] != "" || m[3] != "counter" && m[3] != "gauge" {
					t.Errorf("type: %q", line)
				}
				typed[family] = m[3]
			}
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil || m[1] != family || (typed[family] == "counter") != strings.HasSuffix(family, "_total") {
			t.Errorf("in %s: %q", family, line)
			continue
		}
		if _, twice := values[m[1]+m[2]]; twice {
			t.Errorf("twice: %q", line)
		}
		values[m[1]+m[2]] = m[len(m)-1]
	}
	want := map[string]string{
		`ilod_test_info{name="a\"b\\c\nd",x=""}`:                  "1e-07",
		`ilod_client_sessions{kind="default"}`:                    "1",
		`ilod_client_sessions{kind="explicit"}`:                   "1",
		`ilod_client_sessions_created_total`:                      "2",
		`ilod_client_sessions_expired_total`:                      "0",
		`ilod_client_sessions_terminated_total`:                   "0",
		`ilod_client_sessions_refused_total`:                      "0",
		`ilod_client_handles_forged_total`:                        "0",
		`ilod_gateway_body_bytes`:                                 "0",
		`ilod_gateway_requests_in_flight`:                         "1",
		`ilod_gateway_requests_total{method="GET",code="2xx"}`:    "1",
		`ilod_gateway_requests_total{method="POST",code="2xx"}`:   "1",
		`ilod_gateway_requests_total{method="DELETE",code="4xx"}`: "1",
		`ilod_gateway_requests_total{method="other",code="5xx"}`:  "1",
	}
	if diff := cmp.Diff(want, values); diff != "" {
		t.Error(diff)
	}
}
