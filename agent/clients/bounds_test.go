package clients

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/budget"
)

// TestNobodyLocksAdminsOut: with the limits that hold without configuration no
// number of users, however hard they try, keeps an admin from a session.
func TestNobodyLocksAdminsOut(t *testing.T) {
	for _, policy := range []api.Policy{api.Reject, api.Ask} {
		l := DefaultLimits()
		l.WhenFull = policy
		r := open(t, Options{Limits: l})
		for n := range 5 {
			made := 0
			for range 1100 {
				if _, _, err := r.Create(Owner{Key: fmt.Sprint("uid:", 1000+n)}, Request{}); err == nil {
					made++
				} else if full, ok := errors.AsType[*LimitError](err); !ok || full.PerUser != (made == l.MaxSessionsPerUser) {
					t.Fatal(err)
				}
			}
			if want := min(l.MaxSessionsPerUser, l.MaxSessions*7/8-n*l.MaxSessionsPerUser); made != max(want, 0) {
				t.Errorf("user %d has %d sessions, want %d", n, made, want)
			}
		}
		for range l.MaxSessions / 8 {
			if _, _, err := r.Create(Owner{Key: "uid:0"}, Request{Admin: true}); err != nil {
				t.Fatalf("%s: an admin: %v", policy, err)
			}
		}
		if _, _, err := r.Create(Owner{Key: "uid:0"}, Request{Admin: true}); err == nil {
			t.Errorf("%s: there is no maximum", policy)
		}
	}
}

// recursive is a recursive GET with a purse.
func (c *client) recursive(target string, purse *budget.Purse, header ...string) (*http.Response, error) {
	c.Helper()
	s, err := c.Registry.Get(c.id)
	if err != nil {
		c.Fatal(err)
	}
	ctx := budget.WithPurse(WithSession(c.Context(), s), purse)
	r, err := http.NewRequestWithContext(ctx, "GET", target, nil)
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set(RecursiveHeader, "true")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return c.RoundTrip(r)
}

// TestRecursiveAnswersTakeLessThanTheyGive: what a client has not read yet is
// packed, counted, and given back; and comes out whole.
func TestRecursiveAnswersTakeLessThanTheyGive(t *testing.T) {
	for name, tr := range captured(t) {
		c := newClient(t, simulated(t, tr), api.Variables{})
		b := budget.New(64<<20, 0, 64<<20)
		purse := b.Purse("alice", false, nil)
		resp, err := c.recursive("/redfish/v1/", purse)
		if err != nil {
			t.Fatal(err)
		}
		held := b.Held()
		if held == 0 || held > resp.ContentLength*3/4 {
			t.Errorf("%s: %d bytes are held of %d", name, held, resp.ContentLength)
		}
		t.Logf("%s: %d bytes are held of %d", name, held, resp.ContentLength)
		got, err := io.ReadAll(resp.Body)
		if err != nil || int64(len(got)) != resp.ContentLength || !json.Valid(got) || resp.Header.Get("Content-Length") != fmt.Sprint(len(got)) {
			t.Errorf("%s: %d of %d bytes, %v", name, len(got), resp.ContentLength, err)
		}
		purse.Close()
		if b.Held() != 0 {
			t.Errorf("%s: %d bytes are left", name, b.Held())
		}

		// The form of links is that of the whole answer.
		for _, form := range []string{leaf, relative} {
			resp, err := c.recursive("/redfish/v1/", nil, ReturnedPathHeader, form)
			if err != nil {
				t.Fatal(err)
			}
			again, err := io.ReadAll(resp.Body)
			v := initial
			v.ReturnedPath = form
			if want := rewriteLinks(got, linkForm(v)); err != nil || !bytes.Equal(again, want) || int64(len(want)) != resp.ContentLength {
				t.Errorf("%s, %s: %d bytes, want %d; %v", name, form, len(again), len(want), err)
			}
		}

		// Without room for all of it there is none of it.
		small := budget.New(held/2, 0, held/2)
		purse = small.Purse("alice", false, nil)
		if _, err := c.recursive("/redfish/v1/", purse); !errors.Is(err, budget.ErrFull) {
			t.Errorf("%s: with half the room: %v", name, err)
		}
		purse.Close()
		if small.Held() != 0 {
			t.Errorf("%s: %d bytes are left of a refusal", name, small.Held())
		}
	}
}

// TestRewrittenAnswersCount: the copies that rewriting makes.
func TestRewrittenAnswersCount(t *testing.T) {
	doc := `{"@odata.id":"/redfish/v1/x/y","text":"` + strings.Repeat("x", 1<<20) + `"}`
	c := newClient(t, &way{Handler: serve{"/redfish/v1/x": answer(jsonType, doc, "Content-Length", fmt.Sprint(len(doc)))}}, api.Variables{ReturnedPath: leaf})
	s, err := c.Registry.Get(c.id)
	if err != nil {
		t.Fatal(err)
	}
	for room, ok := range map[int64]bool{1 << 20: false, 3 << 20: true} {
		b := budget.New(room, 0, room)
		purse := b.Purse("alice", false, nil)
		r, _ := http.NewRequestWithContext(budget.WithPurse(WithSession(t.Context(), s), purse), "GET", "/redfish/v1/x", nil)
		if _, err := c.RoundTrip(r); errors.Is(err, budget.ErrFull) == ok || b.Held() != 0 {
			t.Errorf("%d bytes: %v, %d are left", room, err, b.Held())
		}
		purse.Close()
	}
}

// TestPackedParts: they come out as they went in, whatever the reader takes at
// once, and a part that is damaged is no short answer.
func TestPackedParts(t *testing.T) {
	long := bytes.Repeat([]byte(`{"a":"b"},`), 1000)
	var want []byte
	var parts []packed
	for _, b := range [][]byte{[]byte("{"), long, nil, []byte("x"), long[:500], {}} {
		want, parts = append(want, b...), append(parts, pack(b))
	}
	for _, size := range []int{1, 7, 4096, 1 << 20} {
		u := &unpacking{parts: append([]packed(nil), parts...)}
		if u.length() != len(want) {
			t.Errorf("length %d, want %d", u.length(), len(want))
		}
		got, buffer := []byte(nil), make([]byte, size)
		for {
			n, err := u.Read(buffer)
			got = append(got, buffer[:n]...)
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d at once: %d bytes, want %d", size, len(got), len(want))
		}
	}
	damaged := pack(long)
	damaged.bytes = damaged.bytes[:len(damaged.bytes)/2]
	if _, err := io.ReadAll(&unpacking{parts: []packed{damaged}}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half a part: %v", err)
	}
	u := &unpacking{parts: append([]packed(nil), parts...)}
	_, _ = u.Read(make([]byte, 1))
	if n, err := u.Read(make([]byte, 1)); n != 1 || err != nil || u.Close() != nil {
		t.Error(n, err)
	}
	if n, err := u.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after Close: %d, %v", n, err)
	}
}

// TestRecursiveReadsGoTheirOwnWay: all of them, and nothing else.
func TestRecursiveReadsGoTheirOwnWay(t *testing.T) {
	c := newClient(t, &way{Handler: serve{"/redfish/v1/x": answer(jsonType, `{"@odata.id":"/redfish/v1/x"}`)}}, api.Variables{})
	refusal := errors.New("not now")
	c.Recursive = refusing{refusal}
	if _, err := c.recursive("/redfish/v1/x", nil); !errors.Is(err, refusal) {
		t.Error(err)
	}
	if resp, _ := c.do("GET", "/redfish/v1/x", ""); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
	c.Recursive = c.Subtree()
	if resp, err := c.recursive("/redfish/v1/x", nil); err != nil || resp.StatusCode != 200 {
		t.Error(resp, err)
	}
}

type refusing struct{ error }

func (r refusing) RoundTrip(*http.Request) (*http.Response, error) { return nil, r.error }
