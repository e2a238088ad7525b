package gateway

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestOneUserHasSoManyRequestsUnderWay: further ones of that user wait and are
// refused in the end; those of others and of admins do not wait, and what waited
// has its turn when one has ended.
func TestOneUserHasSoManyRequestsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		ilo := &next{answer: func(*http.Request) (*http.Response, error) {
			<-answer
			return respond(http.StatusOK, "{}"), nil
		}}
		g := newGateway(t, Options{Next: ilo})
		var done sync.WaitGroup
		ask := func(who Peer) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			done.Go(func() {
				g.ServeHTTP(w, httptest.NewRequest("GET", "/redfish/v1/Systems/1/", nil).WithContext(WithPeer(t.Context(), who)))
			})
			synctest.Wait()
			return w
		}
		for range maxRunning {
			ask(reader)
		}
		late, other, admin := ask(reader), ask(operator), ask(root)
		if got := ilo.count(); got != maxRunning+2 {
			t.Errorf("%d requests passed, want %d of the reader and one of each other", got, maxRunning)
		}
		time.Sleep(runningPatience)
		synctest.Wait()
		if late.Code != http.StatusServiceUnavailable || late.Header().Get("Retry-After") != "5" {
			t.Errorf("one too many: %d %v", late.Code, late.Header())
		}
		waits := ask(reader)
		answer <- struct{}{}
		synctest.Wait()
		if ilo.count() != maxRunning+3 {
			t.Error("a place that was given back is not used")
		}
		close(answer)
		done.Wait()
		for _, w := range []*httptest.ResponseRecorder{other, admin, waits} {
			if w.Code != http.StatusOK {
				t.Error(w.Code, w.Body)
			}
		}
		if len(g.running.of) != 0 {
			t.Errorf("left: %v", g.running.of)
		}
	})
}
