package freshness

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// TestAStoreOfAnEarlierVersionIsRead: its form is the one that the comment above
// envelopeVersion describes, byte for byte.
func TestAStoreOfAnEarlierVersionIsRead(t *testing.T) {
	fnv64 := func(path string) uint64 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(path))
		return h.Sum64()
	}
	u64 := func(all ...uint64) (b []byte) {
		for _, v := range all {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
		return b
	}
	const body = `{"Members":[{"@odata.id":"/redfish/v1/Chassis/1"}]}`
	wall := time.Now().Add(-30 * time.Second).UnixNano()
	epoch := uint64(wall) - 7
	value := []byte{1, 4, 200, 0} // a collection
	value = append(value, u64(epoch, uint64(wall), fnv64("/redfish/v1/chassis/settings"))...)
	value = append(append(value, 1), u64(fnv64("/redfish/v1/chassis/1"))...)
	value = append(value, "\x01\x04Etag\x01\x05W/\"1\""...)
	value = append(value, body...)
	store := newMemory()
	_ = store.Put("/redfish/v1/chassis", value)
	_ = store.Put(metaKey, fmt.Appendf(nil, `{"version":1,"epoch":%d}`, epoch))
	next := &ilo{handler: newResources()}
	c := New(Options{Next: next, Store: store})
	defer c.Close()
	if g := ask(t, c, "GET", "/redfish/v1/Chassis"); g.body != body || g.age < 30 || ServerTags(g.header.Get("ETag")) != `W/"1"` || !strings.HasPrefix(g.how, "hit") {
		t.Errorf("%+v", g)
	}
	// A write to a member, or to the settings, drops it.
	for _, path := range []string{"/redfish/v1/chassis/1", "/redfish/v1/chassis/settings"} {
		which, _ := c.affected("PATCH", path)
		if e := c.entries["/redfish/v1/chassis"]; !which(&entry{key: e.key, path: "/elsewhere", outline: e.outline}) {
			t.Errorf("a write to %s does not matter", path)
		}
	}
	if e := c.entries["/redfish/v1/chassis"]; string(encode(e, e.doc, packed{[]byte(body), 0})) != string(value) {
		t.Errorf("%q is written as %q", value, encode(e, e.doc, packed{[]byte(body), 0}))
	}
	var kept meta
	if err := json.Unmarshal(store.m[metaKey], &kept); err != nil || kept.Version != 1 || kept.Epoch != epoch {
		t.Errorf("%+v %v", kept, err)
	}
}

// TestEpochsGrowWhateverTheClockDoes: else what is from before a reset could be good
// again.
func TestEpochsGrowWhateverTheClockDoes(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c, _, _ := open(t, one(), func(o *Options) { o.Now = func() time.Time { return now } })
	for range 5 {
		before := c.Stats().Epoch
		now = now.Add(-time.Hour)
		if c.Invalidate("test"); c.Stats().Epoch <= before {
			t.Errorf("%d after %d", c.Stats().Epoch, before)
		}
	}
	before := c.Stats().Epoch
	now = now.Add(1e6 * time.Hour)
	if c.Invalidate("test"); c.Stats().Epoch != uint64(now.UnixNano()) || c.Stats().Epoch <= before {
		t.Errorf("%d", c.Stats().Epoch)
	}
}

// TestAnILO4IsObservedToo: it says Hp for Hpe, and nothing of the discovery of
// devices.
func TestAnILO4IsObservedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := one()
		c, _, _ := open(t, r)
		look := func(uri, body string) (changed bool) {
			before := c.Stats().Epoch
			time.Sleep(time.Second)
			r.set(uri, "", body)
			ask(t, c, "GET", uri, "Cache-Control", "no-cache")
			return c.Stats().Epoch != before
		}
		const root, system = "/redfish/v1/", "/redfish/v1/Systems/1"
		for _, s := range []struct {
			uri, body string
			changed   bool
		}{
			{root, `{"UUID":"u","Oem":{"Hp":{"Manager":[{"ManagerFirmwareVersion":"2.70"}]}}}`, false},
			{root, `{"UUID":"u","Oem":{"Hp":{"Manager":[{"ManagerFirmwareVersion":"2.82"}]}}}`, true},
			{root, `{"UUID":"u"}`, false}, // which does not tell
			{system, `{"Oem":{"Hp":{"PostState":"FinishedPost"}}}`, false},
			{system, `{"Oem":{"Hp":{"PostState":"FinishedPost"}}}`, false},
			{system, `{}`, false},
			{system, `{"Oem":{"Hp":{"PostState":"InPost"}}}`, true},
			{system, `{"Oem":{"Hp":{"PostState":"InPostDiscoveryComplete"}}}`, false},
			{system, `{"Oem":{"Hp":{"PostState":"FinishedPost"}}}`, true},
			{"/redfish/v1/Systems/2", `{"Oem":{"Hp":{"PostState":"InPost"}}}`, false}, // another one
			{root, `{"UUID":"v"}`, true},
		} {
			if got := look(s.uri, s.body); got != s.changed {
				t.Errorf("%s %s: another epoch %v", s.uri, s.body, got)
			}
		}
	})
}

// TestAFlashIsWatchedLive: while it runs, the UpdateService is not kept.
func TestAFlashIsWatchedLive(t *testing.T) {
	for state, kept := range map[string]bool{"": true, "Idle": true, "Complete": true, "Completed": true, "Error": true, "Updating": false, "Uploading": false} {
		for _, oem := range []string{"Hp", "Hpe"} {
			r := newResources()
			const uri = "/redfish/v1/UpdateService"
			r.set(uri, "", fmt.Sprintf(`{"Oem":{%q:{"State":%q}}}`, oem, state))
			c, _, _ := open(t, r)
			ask(t, c, "GET", uri)
			if g := ask(t, c, "GET", uri); strings.HasPrefix(g.how, "hit") != kept {
				t.Errorf("%s %s: %s", oem, state, g.how)
			}
		}
	}
}

// TestWarmReadsNoMoreThanIsKept: nor a resource twice. The root is one, too.
func TestWarmReadsNoMoreThanIsKept(t *testing.T) {
	r := newResources()
	var all []string
	for i := range 20 {
		uri := fmt.Sprint("/redfish/v1/Systems/", i%15)
		r.set(uri, "", "{}")
		all = append(all, uri)
	}
	r.list(all...)
	for most, want := range map[int]int{8: 8, 100: 16} {
		c, next, _ := open(t, r, func(o *Options) { o.entries = most })
		last := 0
		if err := c.Warm(t.Context(), api.Warm{}, func(p api.Warming) { last = p.Total }); err != nil {
			t.Error(err)
		}
		if n := len(next.seen()) - 1; n != want || last != want { // one is for the directory
			t.Errorf("at most %d: %d reads of %d", most, n, last)
		}
	}
}

// TestLinksAreFoundWhereverTheyStand, one behind the other.
func TestLinksAreFoundWhereverTheyStand(t *testing.T) {
	got := links([]byte("{\"@odata.id\" :\r\n\t\"/a\",\"b\":[{\"@odata.id\":\"/b\"},{\"@odata.id\":\"/c\"}],\"@odata.id\":7,\"x\":\"@odata.id\"}"))
	if s := strings.Join(got, " "); s != "/a /b /c" {
		t.Error(s)
	}
}
