package freshness

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/schedule"
)

// What a write leaves in the cache, which is what it cannot have changed.
func TestWriteLeavesOnlyWhatItCannotHaveChanged(t *testing.T) {
	const (
		bios, volume = "/redfish/v1/systems/1/bios", "/redfish/v1/Systems/1/Storage/A/Volumes/1"
		schema       = "/redfish/v1/JsonSchemas/Bios"
		elsewhere    = "/redfish/v1/ComponentIntegrity" // with a member and a twin in other services
		twin         = "/redfish/v1/CertificateService/Twin"
	)
	services := []string{"/redfish/v1/TelemetryService", "/redfish/v1/EventService", "/redfish/v1/EventService/Subscriptions"}
	users := []string{"/redfish/v1/AccountService", accounts, account, account + "/Keys"}
	hardware := []string{"/redfish/v1/Systems", "/redfish/v1/Systems/1/Processor", volume, "/redfish/v1/Chassis/1/Drives", "/redfish/v1/Chassis"}
	tops := []string{"/redfish/v1/Chassis/1", "/redfish/v1/Systems/1"}
	firmware := []string{bios, bios + "/BaseConfigs"}
	manager := []string{"/redfish/v1/Managers/1/NetworkProtocol", "/redfish/v1/Managers"}
	bodies := map[string]string{
		accounts:  `{"Members":[{"@odata.id":"/redfish/v1/AccountService/Accounts/1"}]}`,
		elsewhere: `{"Members":[{"@odata.id":"/redfish/v1/Systems/1/Storage/A/Volumes/1"},{"@odata.id":"/redfish/v1/AccountService/Accounts/1"}]}`,
		twin:      `{"@Redfish.Settings":{"SettingsObject":{"@odata.id":"/redfish/v1/systems/1/bios/settings/"}}}`,
		account:   `{"@Redfish.Settings":{"SettingsObject":{"@odata.id":"/redfish/v1/TelemetryService"}}}`,
	}
	all := slices.Concat(services, users, hardware, tops, firmware, manager, []string{
		schema, elsewhere, twin, "/redfish/v1/", "/redfish/v1/Managers/1", "/redfish/v1/Managers/1/SecurityService",
		"/redfish/v1/TaskService?$expand=.", "/redfish/v1/ResourceDirectory/",
	})
	for _, s := range []struct {
		method, uri string
		kept        [][]string
	}{
		{"PATCH", account, [][]string{services[1:], hardware, tops, firmware, manager, {twin}}},
		{"DELETE", account + "/", [][]string{services[1:], hardware, tops, firmware, manager, {twin}}},
		{"PATCH", "/rest/v1/AccountService/Accounts/1", [][]string{services[1:], hardware, tops, firmware, manager, {twin}}},
		{"POST", accounts, [][]string{services, hardware, tops, firmware, manager, {elsewhere, twin}}},
		{"PUT", "/redfish/v1/TelemetryService", [][]string{services[1:], users[:2], users[3:], hardware, tops, firmware, manager, {elsewhere, twin}}},
		{"POST", "/redfish/v1/EventService/Subscriptions", [][]string{services[:1], users, hardware, tops, firmware, manager, {elsewhere, twin}}},
		{"PATCH", bios + "/settings/", [][]string{services, users, hardware, manager, {"/redfish/v1/Managers/1", elsewhere}}},
		{"PATCH", bios, [][]string{services, users, hardware, manager, {"/redfish/v1/Managers/1", elsewhere, twin}}},
		{"PATCH", volume, [][]string{services, users, manager, {twin}}},
		{"DELETE", "/redfish/v1/Chassis/1/Drives", [][]string{services, users, manager, {elsewhere, twin}}},
		{"PATCH", "/redfish/v1/Managers/1/NetworkProtocol/", [][]string{services, users, hardware, firmware[1:], {elsewhere, twin}}},
		{"POST", "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset/", nil},
		{"POST", "/rest/v1/Systems/1", nil},
		{"POST", "/redfish/v1/AccountService/Actions/X/", nil},
	} {
		t.Run(s.method+" "+s.uri, func(t *testing.T) {
			r := newResources()
			for _, uri := range all {
				body := bodies[uri]
				if body == "" {
					body = "{}"
				}
				r.set(uri, `W/"A"`, body)
			}
			kept := append(slices.Concat(s.kept...), schema)
			for _, lost := range []bool{false, true} {
				c, next, store := open(t, r)
				for _, uri := range all {
					ask(t, c, "GET", uri)
				}
				if lost {
					next.setFail(errors.New("the outcome is unknown"))
				}
				_, err := try(t, c, s.method, s.uri)
				if (err != nil) != lost {
					t.Error(err)
				}
				for _, uri := range all {
					there := ask(t, c, "GET", uri, "Cache-Control", "only-if-cached").status != 504
					_, stored := store.Get(strings.ToLower(uri))
					if want := slices.Contains(kept, uri); there != want || stored != want {
						t.Errorf("%s: there: %t, in the store: %t, want %t", uri, there, stored, want)
					}
				}
			}
		})
	}
}

// What a client sends to the root goes to the iLO, which is to refuse it, and drops
// all that is below.
func TestAWriteToTheRootIsTheILOsToRefuse(t *testing.T) {
	for _, method := range []string{"POST", "PATCH"} {
		c, next, _ := open(t, one())
		ask(t, c, "GET", account)
		ask(t, c, method, "/redfish/v1/")
		wantRequests(t, next, "GET "+account, method+" /redfish/v1/")
		if g := ask(t, c, "GET", account, "Cache-Control", "only-if-cached"); g.status != http.StatusGatewayTimeout {
			t.Errorf("%s: %s", method, g.how)
		}
	}
}

// A server that is told to switch itself off may say "On" for a while, also in
// resources that do not change by themselves, and under an ETag that stays.
func TestWhatAnActionMayStillChangeIsVolatile(t *testing.T) {
	const chassis = "/redfish/v1/Chassis/1"
	boom := errors.New("no answer")
	for name, s := range map[string]struct {
		method, uri string
		status      int
		fail        error
		volatile    bool
	}{
		"action":          {"POST", "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset", 0, nil, true},
		"task":            {"PATCH", "/redfish/v1/Systems/1", 202, nil, true},
		"not sent":        {"PATCH", "/redfish/v1/Systems/1", 0, fmt.Errorf("busy: %w", schedule.ErrNotSent), false},
		"unknown outcome": {"PATCH", "/redfish/v1/Systems/1", 0, boom, true},
		"done":            {"PATCH", "/redfish/v1/Systems/1", 200, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := one()
				r.set(chassis, `W/"C"`, `{"PowerState":"On"}`)
				r.set("/redfish/v1/JsonSchemas/Bios", "", "{}")
				r.set(s.uri, "", "{}")
				r.status[s.uri] = s.status
				r.list(chassis)
				next, store := &ilo{handler: r}, newMemory()
				c := New(Options{Next: next, Store: store})
				defer func() { c.Close() }()
				next.setFail(s.fail)
				_, _ = try(t, c, s.method, s.uri)
				next.setFail(nil)
				time.Sleep(4 * time.Minute)
				ask(t, c, "GET", chassis)
				ask(t, c, "GET", "/redfish/v1/JsonSchemas/Bios")
				for _, restart := range []bool{false, true} {
					if restart {
						c.Close()
						c = New(Options{Next: next, Store: store})
					}
					if err := c.Sweep(t.Context()); err != nil {
						t.Fatal(err)
					}
					want := map[bool]string{true: "ttl=10", false: "ttl=120"}[s.volatile]
					if got := kept(t, c, chassis); got != want {
						t.Errorf("restart %t: %s, want %s", restart, got, want)
					}
				}
				if got := kept(t, c, "/redfish/v1/JsonSchemas/Bios"); got != "ttl=86400" {
					t.Errorf("a schema: %s", got)
				}
				time.Sleep(90 * time.Second) // then it has happened
				ask(t, c, "GET", chassis, "Cache-Control", "no-cache")
				if got := kept(t, c, chassis); got != "ttl=120" {
					t.Errorf("afterwards: %s", got)
				}
			})
		})
	}
}

// What a GET under way will show is not known before it is over.
func TestNoReadUnderWayOutlivesAWrite(t *testing.T) {
	for name, change := range map[string]func(c *Cache){
		"write":      func(c *Cache) { ask(t, c, "PATCH", "/redfish/v1/Managers/1/NetworkProtocol") },
		"invalidate": func(c *Cache) { c.Invalidate("test") },
		"identity":   func(c *Cache) { c.SetIdentity(Identity{UUID: "b"}) },
		"clear":      func(c *Cache) { _ = c.Clear() },
	} {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, again %t", name, again), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { readAcross(t, change, again) })
			})
		}
	}
}

// readAcross reads while something changes, and maybe again before that read ends.
func readAcross(t *testing.T, change func(*Cache), again bool) {
	r := one()
	next := &ilo{handler: r}
	reads := newGate(next)
	c := New(Options{Store: newMemory(), Next: roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.Method == "GET" {
			return reads.RoundTrip(req)
		}
		return next.RoundTrip(req)
	})})
	defer c.Close()
	c.SetIdentity(Identity{UUID: "a"})
	first, second := make(chan got, 1), make(chan got, 1)
	go func() { first <- ask(t, c, "GET", account) }()
	synctest.Wait()
	change(c)
	r.set(account, `W/"A"`, `{"UserName":"new"}`)
	if again {
		go func() { second <- ask(t, c, "GET", account) }()
		synctest.Wait()
	}
	close(reads.open)
	if g := <-first; g.body != `{"UserName":"Administrator"}` || strings.Contains(g.how, "stored") {
		t.Errorf("the first: %+v", g)
	}
	want := ""
	if again {
		want = `{"UserName":"new"}`
		if g := <-second; g.body != want {
			t.Errorf("the second joined the first: %+v", g)
		}
	}
	if g := ask(t, c, "GET", account, "Cache-Control", "only-if-cached"); g.status != 504 && g.body != want || (g.status == 504) == again {
		t.Errorf("kept: %+v", g)
	}
}

// A sweep does not make good again what an action may still change, so that no
// read pays for one.
func TestNoSweepForWhatAnActionMayStillChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := one()
		r.list(account)
		c, next, _ := open(t, r)
		if err := c.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		ask(t, c, "POST", "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset")
		next.latency = time.Second // each read is as much as the next sweep costs
		next.seen()
		for range 5 {
			ask(t, c, "GET", account)
			time.Sleep(11 * time.Second)
		}
		if seen := next.seen(); slices.Contains(seen, directoryRequest) || len(seen) != 5 {
			t.Errorf("requests %q", seen)
		}
	})
}
