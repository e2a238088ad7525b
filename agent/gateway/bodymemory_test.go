package gateway

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ilod/ilod/agent/budget"

	"github.com/ilod/ilod/agent/api"
)

// fill has somebody else take all of a budget of 1 MiB.
func fill(t *testing.T, b *budget.Budget) {
	t.Helper()
	hold := b.Purse("other", true, nil)
	if err := hold.Take(1 << 20); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hold.Close)
}

// A body that grows while it is read comes to the iLO as it was sent, and what it
// takes of the memory is no more than 4 KiB over what was announced.
func TestARequestBodyIsKeptWholeInTheSizeThatWasAnnounced(t *testing.T) {
	for _, size := range []int{5_000, 20_000, 100_000} {
		random := rand.NewChaCha8([32]byte{})
		sent := make([]byte, size)
		_, _ = random.Read(sent)
		b := budget.New(1<<30, 0, 1<<30)
		n := &next{}
		n.answer = func(*http.Request) (*http.Response, error) {
			if held := b.Held(); held < int64(size) || held > int64(size)+4<<10 {
				t.Errorf("%d bytes are counted for a body of %d", held, size)
			}
			return respond(200, "{}"), nil
		}
		ask(newGateway(t, Options{Next: n, budget: b}), &operator, "PATCH", "/redfish/v1/Systems/1", string(sent), "Content-Type", "application/octet-stream")
		if _, got := n.last(); got != string(sent) {
			t.Errorf("%d bytes became others", size)
		}
	}
}

// The body of what takes long and does not need it takes no memory meanwhile.
func TestABodyThatSaysNothingTakesNoMemory(t *testing.T) {
	asked := false
	var g *Gateway
	g = newGateway(t, Options{Cache: &Cache{Warm: func(context.Context, api.Warm, func(api.Warming)) error {
		asked = true
		if got := g.budget.Held(); got != 0 {
			t.Errorf("%d bytes", got)
		}
		return nil
	}}})
	if w := ask(g, &operator, "POST", "/ilod/v1/cache", "{}"); w.Code != 200 || !asked {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A body that is too large ends its connection: what follows is not the next
// request.
func TestATooLargeBodyEndsItsConnection(t *testing.T) {
	client := unixClient(t, serveUnix(t, newGateway(t, Options{}), operator))
	req, _ := http.NewRequest("POST", "http://ilod/ilod/v1/sessions", io.MultiReader(strings.NewReader(strings.Repeat(" ", maxSettings+1))))
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge || !resp.Close {
		t.Errorf("%s, closes %v", resp.Status, resp.Close)
	}
}

// While there is no memory at all, answers of up to smallBody bytes are given all
// the same, whoever makes them, and larger ones are not.
func TestSmallAnswersNeedNoMemory(t *testing.T) {
	b := budget.New(1<<20, 0, 1<<20)
	fill(t, b)
	for size, want := range map[int]int{smallBody: 200, smallBody + 1: 503} {
		closed := &heldWhenRead{Reader: strings.NewReader(strings.Repeat("x", size)), b: b}
		n := &next{answer: func(*http.Request) (*http.Response, error) {
			resp := respond(200, "")
			resp.Body, resp.ContentLength = closed, int64(size)
			return resp, nil
		}}
		g := newGateway(t, Options{Next: n, budget: b, Cache: &Cache{Stats: func() any { return strings.Repeat("x", size-2) }}})
		for _, path := range []string{"/redfish/v1/Systems", "/ilod/v1/cache"} {
			if w := ask(g, &operator, "GET", path, ""); w.Code != want {
				t.Errorf("%d bytes of %s: %d", size, path, w.Code)
			}
		}
		if !closed.closed {
			t.Errorf("the iLO's answer of %d bytes stays open", size)
		}
	}
}

// What the agent itself did is never lost for lack of memory, and counts while it
// is on its way.
func TestTheAgentsOwnWritesAreToldAndCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(1<<20, 0, 1<<20)
		g := newGateway(t, Options{budget: b})
		for range 300 {
			newSession(t, g, &operator)
		}
		fill(t, b)
		before := b.Held()
		l, _, _ := serveCounted(t, g)
		c := askAll(l, operator, 1, "DELETE /ilod/v1/sessions?user=olga HTTP/1.1\r\nHost: x\r\n\r\n")[0]
		if got := b.Held() - before; got < 300*20 {
			t.Errorf("%d bytes are counted", got)
		}
		if status, _ := first(t, c); status != "200" {
			t.Error(status)
		}
	})
}

// abortable is a writer of a server in this process.
type abortable struct {
	*httptest.ResponseRecorder
	why error
}

func (a *abortable) Abort(err error) { a.why = err }

// A server in this process learns why an answer broke off.
func TestAServerOfThisProcessLearnsWhyAnAnswerBrokeOff(t *testing.T) {
	n := &next{answer: func(*http.Request) (*http.Response, error) {
		resp := respond(200, "")
		resp.Body, resp.ContentLength = io.NopCloser(brokenReader{}), -1
		return resp, nil
	}}
	w := &abortable{ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequest("GET", "/redfish/v1/Systems", nil)
	func() {
		defer func() {
			if got := recover(); got != http.ErrAbortHandler {
				t.Errorf("%v", got)
			}
		}()
		newGateway(t, Options{Next: n}).ServeHTTP(w, r.WithContext(WithPeer(r.Context(), root)))
	}()
	if _, want := (brokenReader{}).Read(nil); fmt.Sprint(w.why) != want.Error() {
		t.Errorf("it learnt %v", w.why)
	}
}
