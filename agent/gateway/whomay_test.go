package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/ilosession"
)

// roomOf is what a refusal says about room for another session.
func roomOf(t *testing.T, w *httptest.ResponseRecorder) (room api.Room, ids []string) {
	t.Helper()
	var refusal struct {
		Error struct {
			Info []struct {
				Message string
				Oem     struct{ Ilod *api.Room }
			} `json:"@Message.ExtendedInfo"`
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &refusal); err != nil || w.Code != 503 || refusal.Error.Info[0].Oem.Ilod == nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	room = *refusal.Error.Info[0].Oem.Ilod
	list, _ := room.Candidates.([]any)
	for _, s := range list {
		ids = append(ids, s.(map[string]any)["id"].(string))
	}
	for _, who := range room.Ask {
		if !strings.Contains(refusal.Error.Info[0].Message, who) {
			t.Errorf("the text does not say whom to ask: %s", refusal.Error.Info[0].Message)
		}
	}
	return room, ids
}

// TestWhoMayNotEndSessionsIsToldWhomToAsk: a refusal for lack of room offers the end of
// sessions to who may end enough of them. It shows others' sessions to nobody new.
func TestWhoMayNotEndSessionsIsToldWhomToAsk(t *testing.T) {
	roles := Roles{Admin: Members{Users: []string{"olga"}, Groups: []string{"4711"}}, Reader: testRoles.Reader}
	roles.Operator.Users = []string{"otto"}
	limits := clients.DefaultLimits()
	limits.MaxSessions, limits.WhenFull = 2, api.Ask
	table := []api.ILOSession{{ID: "system administrator01", InBand: true}}
	full := &next{answer: func(*http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("log in: %w", &ilosession.SessionLimitError{Sessions: table, Err: ilosession.ErrSessionLimit})
	}}
	g := newGateway(t, Options{Roles: roles, Clients: openClients(t, limits), Next: full})
	admin := operator
	mine, _ := newSession(t, g, &admin)
	other, _ := newSession(t, g, &admin)
	want := []string{"root", "the user olga", "a member of the group 4711"}
	if room, ids := roomOf(t, ask(g, &reader, "POST", "/ilod/v1/sessions", "")); room.MayEnd || room.MustEnd != 1 || len(ids) != 0 || !cmp.Equal(room.Ask, want) {
		t.Errorf("a reader without sessions: %+v", room)
	}
	if room, ids := roomOf(t, ask(g, &admin, "POST", "/ilod/v1/sessions", "")); !room.MayEnd || len(room.Ask) != 0 || !cmp.Equal(ids, []string{mine.ID, other.ID}) {
		t.Errorf("an admin: %+v", room)
	}
	wantFailure(t, ask(g, &reader, "POST", "/ilod/v1/sessions?terminate="+mine.ID, ""), 503, "SessionLimit")
	if w := ask(g, &admin, "POST", "/ilod/v1/sessions?terminate="+mine.ID+"&terminate="+other.ID, ""); w.Code != 201 || g.clients.Stats().Sessions != 2 {
		t.Errorf("%d, %+v", w.Code, g.clients.Stats()) // one was enough
	}

	// The iLO's own table: its list is for readers, too, and the end of a session is not.
	room, ids := roomOf(t, ask(g, &reader, "GET", "/redfish/v1/Systems", ""))
	if room.MayEnd || !cmp.Equal(ids, []string{table[0].ID}) || !cmp.Equal(room.Ask, want) {
		t.Errorf("a reader: %+v", room)
	}
	if room, ids := roomOf(t, ask(g, &admin, "GET", "/redfish/v1/Systems", "")); !room.MayEnd || len(room.Ask) != 0 || len(ids) != 1 {
		t.Errorf("an admin: %+v", room)
	}
}
