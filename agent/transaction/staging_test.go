package transaction

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/equal"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// TestATransactionTakesAThousandWrites: a refusal is told, and no more are taken.
func TestATransactionTakesAThousandWrites(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	for range 1000 {
		f.stage("PATCH", system, `{"AssetTag":"a"}`)
	}
	if _, err := f.send("s", "PATCH", system, `{"AssetTag":"a"}`); !errors.Is(err, ErrLarge) {
		t.Error(err)
	}
	if s, _ := f.Status("s"); s.State != api.Errant || len(s.Writes) != 1001 {
		t.Errorf("%s, %d writes", s.State, len(s.Writes))
	}
}

// TestTheAnswerToAStagedWriteIsHTTP: as a client reads it off a wire.
func TestTheAnswerToAStagedWriteIsHTTP(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	for n := range 2 {
		resp, err := f.send("s", "PATCH", system, `{"AssetTag":"a"}`)
		if err != nil {
			t.Fatal(err)
		}
		var wire bytes.Buffer
		if err := resp.Write(&wire); err != nil {
			t.Fatal(err)
		}
		if line, want := wire.String(), "HTTP/1.1 202 Accepted\r\n"; !strings.HasPrefix(line, want) {
			t.Errorf("%.40q", line)
		}
		read, err := http.ReadResponse(bufio.NewReader(&wire), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(read.Body)
		if want := fmt.Sprintf(`{"staged":%d,"transaction":"/ilod/v1/transaction"}`, n+1); err != nil || string(body) != want || wire.Len() > 0 || read.ContentLength != int64(len(want)) {
			t.Errorf("%s %v, %d bytes announced", body, err, read.ContentLength)
		}
	}
	// What the iLO answers instead arrives whole.
	resp, err := f.send("s", "PATCH", "/redfish/v1/Systems/2", `{}`)
	if err != nil || resp.StatusCode != http.StatusNotFound {
		t.Fatal(resp, err)
	}
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), "ResourceMissingAtURI") {
		t.Errorf("%s %v", body, err)
	}
}

func TestSessionsAreNoPartOfATransaction(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	for _, path := range []string{"/redfish/v1/Sessions/1", "/rest/v1/SessionService/Sessions/1/"} {
		f.ilo.requests()
		if _, err := f.send("s", "DELETE", path, ""); err != nil {
			t.Error(err)
		}
		if got := f.ilo.requests(); len(got) != 1 || got[0] != "DELETE "+path {
			t.Errorf("%s: %v", path, got)
		}
		f.Spoil(context.Background(), "s", "DELETE", path, "no role")
	}
	if s, err := f.Status("s"); err != nil || s.State != api.Open || len(s.Writes) != 0 {
		t.Errorf("%s %v", asText(s), err)
	}
}

// TestOneRefusalBeforeStagingIsToldOnce: it is numbered like a write, and the next
// ones add nothing.
func TestOneRefusalBeforeStagingIsToldOnce(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"a"}`)
	for range 2 {
		f.Spoil(context.Background(), "s", "PATCH", system, "no role")
	}
	s, _ := f.Status("s")
	if len(s.Writes) != 2 || s.Writes[1].Number != 2 || s.Writes[1].Method != "PATCH" || s.Writes[1].Path != system {
		t.Error(asText(s))
	}
	f.Spoil(context.Background(), "none", "PATCH", system, "no role") // nothing to spoil
	if f.Holds("none") != "" {
		t.Error(f.Holds("none"))
	}
}

// TestMethodsAreCheckedWhereTheILOTellsThem: in Allow. Only a PATCH or PUT goes to
// the settings instead.
func TestMethodsAreCheckedWhereTheILOTellsThem(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	for _, method := range []string{"DELETE", "POST"} {
		f.begin()
		if _, err := f.send("s", method, bios, `{}`); !invalidWith(err, "OperationNotAllowed") {
			t.Errorf("%s: %v", method, err)
		}
		if s, _ := f.Status("s"); s.Writes[0].Path != bios {
			t.Error(asText(s))
		}
		_, _ = f.Rollback("s")
	}
	f.begin()
	f.stage("PUT", bios, `{"Attributes":{"ProcTurbo":"Disabled"}}`)
	if s, _ := f.Status("s"); s.Writes[0].Path != pending {
		t.Error(asText(s))
	}
	f.start(Options{Next: roundTrip(func(r *http.Request) (*http.Response, error) {
		resp, err := f.ilo.RoundTrip(r)
		if err == nil {
			resp.Header.Del("Allow")
		}
		return resp, err
	})})
	f.told()
	f.begin()
	f.stage("DELETE", system, "") // it is for the iLO to judge
}

// TestCheckSeesWritesWithABody: and who has left gets no answer.
func TestCheckSeesWritesWithABody(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	ctx, leave := context.WithCancelCause(WithSession(context.Background(), "s"))
	left := errors.New("left")
	checked := 0
	f.start(Options{Check: func(context.Context, Write) ([]Violation, error) {
		if checked++; checked == 2 {
			leave(left)
		}
		return nil, errors.New("no schema")
	}})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"a"}`)
	f.stage("DELETE", subscriptions+"/1", "")
	if checked != 1 {
		t.Errorf("checked %d writes", checked)
	}
	r, err := http.NewRequestWithContext(ctx, "PATCH", "https://ilo"+system, strings.NewReader(`{"AssetTag":"b"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.RoundTrip(r); !errors.Is(err, left) {
		t.Error(err)
	}
}

// TestDeletionOfWhatHasChanged: also under the same ETag, it is not what the client
// wanted to delete.
func TestDeletionOfWhatHasChanged(t *testing.T) {
	f := newFixture(t, redfish.Options{IgnoreIfMatch: true})
	f.start(Options{Next: roundTrip(func(r *http.Request) (*http.Response, error) {
		resp, err := f.ilo.RoundTrip(r)
		if err == nil {
			resp.Header.Set("ETag", `W/"00000000"`)
		}
		return resp, err
	})})
	for _, changed := range []bool{true, false} {
		f.begin()
		f.stage("DELETE", subscriptions+"/1", "")
		if changed {
			f.ilo.do("PATCH", subscriptions+"/1", `{"Context":"theirs"}`)
			if _, err := f.commit(api.RolledBack, api.NotSent); !errors.Is(err, ErrStale) {
				t.Error(err)
			}
		} else {
			f.commit(api.Committed, api.Applied)
		}
	}
	// What has gone cannot be written.
	f.begin()
	f.stage("PATCH", accounts+"/1", `{"RoleId":"Operator"}`)
	f.ilo.do("DELETE", accounts+"/1", "")
	if _, err := f.commit(api.RolledBack, api.NotSent); !errors.Is(err, ErrStale) {
		t.Error(err)
	}
}

// TestIdleTransactionsOfOthersAreThrownAwayWhenOneIsBegun: each is counted once.
func TestIdleTransactionsOfOthersAreThrownAwayWhenOneIsBegun(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.now = f.now.Add(5 * time.Minute)
	for n := range 2 {
		if _, err := f.Begin(fmt.Sprint(n), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if s := f.Stats(); s != (api.TransactionStats{Open: 2, ThrownAway: 1}) {
		t.Errorf("%+v", s)
	}
	f.Drop("s", "terminated") // which was thrown away before
	f.Drop("1", "terminated")
	if s := f.Stats(); s != (api.TransactionStats{Open: 1, ThrownAway: 2}) {
		t.Errorf("%+v", s)
	}
	f.start(Options{Timeout: func() time.Duration { return -1 }}) // none
	if tx, err := f.Begin("none", 0); err != nil || tx.Timeout != 0 {
		t.Error(tx, err)
	}
	if _, err := f.Begin("one", time.Second); err != nil {
		t.Error(err)
	}
}

// TestNothingExpiresDuringItsCommit: an iLO may take longer than the idle timeout.
func TestNothingExpiresDuringItsCommit(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.watch(func(r *http.Request) {
		f.now = f.now.Add(time.Hour)
		if s, err := f.Status("s"); err != nil || len(s.Writes) != 1 {
			t.Errorf("%s %v", asText(s), err)
		}
		if _, err := f.Begin("s", 0); err != ErrCommitting {
			t.Error(err)
		}
	})
	f.commit(api.Committed, api.Applied)
	if s := f.Stats(); s != (api.TransactionStats{Committed: 1}) {
		t.Errorf("%+v", s)
	}
}

// TestADirectWriteWaitsHalfAMinute: for a commit of the same resource.
func TestADirectWriteWaitsHalfAMinute(t *testing.T) {
	for wait, refused := range map[time.Duration]bool{25 * time.Second: false, 35 * time.Second: true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, redfish.Options{})
			f.begin()
			f.stage("PATCH", system, `{"AssetTag":"mine"}`)
			done := make(chan error, 1)
			f.watch(func(r *http.Request) {
				if r.Method == http.MethodPatch && r.Header.Get("X-Direct") == "" {
					go func() {
						_, err := f.send("other", "PATCH", system, `{"HostName":"theirs"}`, "X-Direct", "1")
						done <- err
					}()
					time.Sleep(wait)
				}
			})
			f.commit(api.Committed, api.Applied)
			if err := <-done; errors.Is(err, ErrHeld) != refused {
				t.Errorf("after %v: %v", wait, err)
			}
		})
	}
}

// TestAChangeIsMergedAsRedfishSays: DSP0266, "Modification of objects and arrays".
func TestAChangeIsMergedAsRedfishSays(t *testing.T) {
	for _, c := range [][3]string{
		{`{"a":1,"b":{"c":2}}`, `{"b":{"d":3}}`, `{"a":1,"b":{"c":2,"d":3}}`},
		{`{"a":1}`, `{"a":null}`, `{"a":null}`},
		{`7`, `{"a":1}`, `{"a":1}`},
		{`[1,2,3]`, `[{},null,4,5]`, `[{},4,5]`},
		{`[{"a":1,"b":2},{"c":3}]`, `[{"a":7},{}]`, `[{"a":7,"b":2},{"c":3}]`},
		{`[{"a":1}]`, `[{},{"b":2},null]`, `[{"a":1},{"b":2}]`},
		{`7`, `[1,null]`, `[1]`},
	} {
		before, _ := decode([]byte(c[0]))
		change, _ := decode([]byte(c[1]))
		if got := string(encode(merge(before, change))); got != c[2] {
			t.Errorf("%s and %s: %s, want %s", c[0], c[1], got, c[2])
		}
		if again := string(encode(before)); again != c[0] {
			t.Errorf("%s became %s", c[0], again)
		}
		// And what puts the former value back does, as the same rules say.
		after := merge(before, change)
		if back, ok := restoring(before, after); ok && !equal.Same(before, merge(after, back)) {
			t.Errorf("%s is put back as %s", c[0], encode(merge(after, back)))
		}
	}
}
