package selection

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/ilopath"
)

// settled are the types of which resources can have settings: those whose schemas
// on iLO 4 to 7 have @Redfish.Settings or a link to settings.
var settled = []string{
	"Bios", "HpBios", "HpeServerBootSettings", "HpServerBootSettings", "HpeiSCSISoftwareInitiator", "HpiSCSISoftwareInitiator",
	"HpeKmsConfig", "HpeNvmeOfSoftwareInitiator", "HpeServerConfigLock", "HpeTlsConfig", "SmartStorageConfig",
	"NetworkAdapter", "NetworkDeviceFunction", "NetworkPort", "Port",
}

// maxWalk bounds the resources that are read to find those with settings.
const maxWalk = 2048

// eachWithSettings runs f with the resources that have settings, by what they say
// themselves. It looks at those of the directory that are of a type that can have
// some, or above one that is named like settings, and at all that they lead to
// below themselves: an iLO's directory need not list network adapters.
func (r *Reader) eachWithSettings(ctx context.Context, f func(x *Resource) error) error {
	entries, err := r.Entries(ctx)
	if err != nil {
		return err
	}
	w := newWalk(entries)
	var failed error
	had := false
	for {
		path, done := w.next()
		if done {
			break
		}
		r.show(w.read, len(w.paths)+w.read)
		x, err := r.Read(ctx, path)
		if isGone(err) { // the directory may lag
			continue
		}
		if err == nil {
			w.below(x)
			if settings := ilopath.Canonical(x.Settings()); x.Settings() == "" || settings == ilopath.Canonical(path) {
				continue // the settings of another one can lead to themselves
			}
			path = x.Settings()
			err = f(x)
		}
		if had = had || err == nil; err == nil {
			continue
		}
		failed = err
		if err := r.miss(ctx, path, err); err != nil {
			return err
		}
	}
	if had {
		return nil
	}
	return failed
}

// walk is what is to be read to find resources with settings.
type walk struct {
	paths []string
	known map[string]bool // that are or were to be read
	read  int
}

// newWalk begins with entries of the directory, without those that are named like
// the settings of another one.
func newWalk(entries []Entry) *walk {
	w := &walk{known: map[string]bool{}}
	listed, owners := map[string]bool{}, map[string]bool{}
	for _, e := range entries {
		key := ilopath.Canonical(e.Path)
		listed[key] = true
		if owner, named := strings.CutSuffix(key, "/settings"); named {
			owners[owner] = true
		}
	}
	for _, e := range entries {
		key := ilopath.Canonical(e.Path)
		owner, named := strings.CutSuffix(key, "/settings")
		if named && listed[owner] {
			continue
		}
		if owners[key] || slices.Contains(settled, strings.TrimSuffix(Name(e.Type), "Collection")) {
			w.add(e.Path)
		}
	}
	return w
}

func (w *walk) add(path string) {
	if key := ilopath.Canonical(path); !w.known[key] && strings.HasPrefix(path, "/") && len(w.known) < maxWalk {
		w.known[key] = true
		w.paths = append(w.paths, path)
	}
}

// next takes a path off the list.
func (w *walk) next() (path string, done bool) {
	if len(w.paths) == 0 {
		return "", true
	}
	path, w.paths = w.paths[0], w.paths[1:]
	w.read++
	return path, false
}

// below adds what a resource leads to, and what is below it.
func (w *walk) below(x *Resource) {
	settings := ilopath.Canonical(x.Settings())
	w.paths = slices.DeleteFunc(w.paths, func(path string) bool { return ilopath.Canonical(path) == settings })
	w.known[settings] = true
	leads, _ := x.Body["Members"].([]any)
	for _, name := range slices.Sorted(maps.Keys(x.Body)) {
		leads = append(leads, x.Body[name])
	}
	for _, v := range leads {
		if path := link(v); ilopath.Within(ilopath.Canonical(path), ilopath.Canonical(x.Path)) {
			w.add(path)
		}
	}
}
