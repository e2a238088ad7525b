package freshness

import (
	"encoding/json"
	"fmt"
	"time"
)

// Identity is what an answer depends on beside its path. Empty fields are not
// known.
type Identity struct {
	UUID       string `json:"uuid,omitempty"`       // of the iLO
	Serial     string `json:"serial,omitempty"`     // of the server
	Generation int    `json:"generation,omitempty"` // of the iLO
	Firmware   string `json:"firmware,omitempty"`   // of the iLO
	BootID     string `json:"bootId,omitempty"`     // of the host's operating system
}

// update takes over what is known of other. another tells that it is another
// server, changed that it is the same one after something that changes
// everything.
func (i *Identity) update(other Identity) (another, changed, news bool) {
	for _, f := range []struct {
		mine   *string
		other  string
		differ *bool
	}{
		{&i.UUID, other.UUID, &another}, {&i.Serial, other.Serial, &another},
		{&i.Firmware, other.Firmware, &changed}, {&i.BootID, other.BootID, &changed},
	} {
		if f.other == "" || f.other == *f.mine {
			continue
		}
		*f.differ = *f.differ || *f.mine != ""
		*f.mine, news = f.other, true
	}
	if other.Generation != 0 && other.Generation != i.Generation {
		another = another || i.Generation != 0
		i.Generation, news = other.Generation, true
	}
	return another, changed, news
}

// metaKey is where meta is kept; the keys of entries begin with a slash.
const metaKey = "meta"

// meta is what the cache remembers across restarts beside its entries.
type meta struct {
	Version  int      `json:"version"`
	Epoch    uint64   `json:"epoch"`
	Identity Identity `json:"identity"`
	Host     host     `json:"host"`
}

// host is how far the host was when it was looked at last (ILO.md §8).
type host struct {
	Known    bool `json:"known"`
	Finished bool `json:"finished"` // its POST
	Early    bool `json:"early"`    // devices are still being discovered: the tree is incomplete
}

const metaVersion = 1

// load reads the store. What belongs to another epoch is dropped, and without
// meta nothing can be trusted.
func (c *Cache) load() {
	now := c.o.Now()
	value, ok := c.o.Store.Get(metaKey)
	if !ok || json.Unmarshal(value, &c.meta) != nil || c.meta.Version != metaVersion {
		c.meta = meta{Version: metaVersion, Epoch: uint64(now.UnixNano())}
		c.epoch = c.meta.Epoch
		if err := c.clear(); err != nil {
			c.o.Log.WithError(err).Warn("the cache could not be emptied")
		}
		return
	}
	c.epoch, c.early = c.meta.Epoch, c.meta.Host.Early
	var useless []string
	for key, value := range c.o.Store.All() {
		if key == metaKey {
			continue
		}
		e, _, err := decode(key, value, false)
		if err != nil || e.epoch != c.epoch || len(c.entries) >= c.o.entries {
			useless = append(useless, key)
			continue
		}
		age := now.Round(0).Sub(time.Unix(0, e.wall))
		if age < 0 { // from the future: the clock was set
			useless = append(useless, key)
			continue
		}
		e.fetched = now.Add(-age)
		e.validated = e.fetched
		c.entries[key] = e
	}
	c.o.Store.Drop(useless...)
}

// saveMeta writes meta; the caller holds disk.
func (c *Cache) saveMeta() error {
	value, err := json.Marshal(c.meta)
	if err == nil {
		err = c.o.Store.Put(metaKey, value)
	}
	if err != nil {
		return fmt.Errorf("remember the epoch: %w", err)
	}
	return nil
}

// Invalidate makes everything that is kept too old, such as after a reset of the
// iLO. Only a client that takes an answer of any age (max-stale, or
// stale-if-error without a number) still gets it. What is being read now is not
// kept.
func (c *Cache) Invalidate(reason string) {
	c.disk.Lock()
	defer c.disk.Unlock()
	c.invalidate(reason)
}

func (c *Cache) invalidate(reason string) {
	c.mu.Lock()
	c.epoch = max(c.epoch+1, uint64(c.o.Now().UnixNano()))
	c.meta.Epoch = c.epoch
	c.dir, c.debt = directory{}, 0
	c.stats.Invalidations++
	c.abandon()
	c.ageRefusals(c.o.Now()) // all of them
	c.mu.Unlock()
	c.o.Log.WithField("reason", reason).Info("the cache is invalid")
	if err := c.saveMeta(); err != nil {
		c.o.Log.WithError(err).Warn("the epoch of the cache could not be kept")
		_ = c.o.Store.Clear() // else it would be believed after a restart; if this fails too, it is out of order
	}
}

// SetIdentity tells what iLO and host this is now. If that differs from what is
// remembered, everything is invalid; and if it is another server, nothing of the
// former one is left.
func (c *Cache) SetIdentity(id Identity) {
	c.disk.Lock()
	defer c.disk.Unlock()
	c.setIdentity(id)
}

func (c *Cache) setIdentity(id Identity) {
	another, changed, news := c.meta.Identity.update(id)
	var err error
	switch {
	case another:
		c.invalidate("another server")
		err = c.clear()
	case changed:
		c.invalidate("another firmware or boot")
	case news:
		err = c.saveMeta()
	}
	if err != nil {
		c.o.Log.WithError(err).Warn("the identity of the iLO could not be kept")
	}
}

// observe looks for another identity or a host that boots in what was read; the
// caller holds disk.
func (c *Cache) observe(path string, body []byte) {
	type oem struct {
		Manager []struct {
			ManagerFirmwareVersion string
		}
		PostState               string
		DeviceDiscoveryComplete struct{ DeviceDiscovery string }
	}
	var doc struct {
		UUID string
		Oem  struct{ Hp, Hpe oem }
	}
	isRoot := path == root
	if !isRoot && path != root+"/systems/1" || json.Unmarshal(body, &doc) != nil {
		return
	}
	o := doc.Oem.Hpe
	if o.PostState == "" && o.Manager == nil {
		o = doc.Oem.Hp
	}
	if isRoot {
		id := Identity{UUID: doc.UUID}
		if len(o.Manager) > 0 {
			id.Firmware = o.Manager[0].ManagerFirmwareVersion
		}
		c.setIdentity(id)
		return
	}
	if o.PostState == "" {
		return
	}
	now := host{Known: true, Finished: o.PostState == "FinishedPost", Early: o.PostState != "FinishedPost"}
	if discovery := o.DeviceDiscoveryComplete.DeviceDiscovery; discovery != "" {
		now.Early = discovery != "vMainDeviceDiscoveryComplete"
	}
	before := c.meta.Host
	if now == before {
		return
	}
	c.meta.Host = now
	c.mu.Lock()
	c.early = now.Early
	c.mu.Unlock()
	if before.Known && (before.Finished && !now.Finished || before.Early != now.Early) {
		c.invalidate("the host boots: " + o.PostState)
	} else if err := c.saveMeta(); err != nil {
		c.o.Log.WithError(err).Warn("the state of the host could not be kept")
	}
}
