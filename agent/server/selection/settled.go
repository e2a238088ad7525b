package selection

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/ilopath"
)

// settled are the types whose resources can have settings: their schemas on iLO 4 to 7
// have @Redfish.Settings or a link to settings.
var settled = []string{
	"Bios", "HpBios", "HpeServerBootSettings", "HpServerBootSettings", "HpeiSCSISoftwareInitiator", "HpiSCSISoftwareInitiator",
	"HpeKmsConfig", "HpeNvmeOfSoftwareInitiator", "HpeServerConfigLock", "HpeTlsConfig", "SmartStorageConfig",
	"NetworkAdapter", "NetworkDeviceFunction", "NetworkPort", "Port",
}

// maxWalk limits how many resources are read to find those with settings.
const maxWalk = 2048

// eachWithSettings runs f with each resource whose body names its settings. It starts
// with the directory: with resources of the settled types, and with owners of a path
// that ends in /settings. From each it follows the links to resources below it, since
// the directory of an iLO need not list all, such as network adapters.
func (r *Reader) eachWithSettings(ctx context.Context, f func(x *Resource) error) error {
	entries, err := r.Entries(ctx)
	if err != nil {
		return err
	}
	w := newWalk(entries)
	var failed error
	had := false
	for read := 1; len(w.paths) > 0; read++ {
		path := w.paths[0]
		w.paths = w.paths[1:]
		r.show(read, len(w.paths)+read)
		x, err := r.Read(ctx, path)
		if isGone(err) { // the directory may lag
			continue
		}
		if err == nil {
			w.below(x)
			if settings := ilopath.Canonical(x.Settings()); x.Settings() == "" || settings == ilopath.Canonical(path) {
				continue // a settings object can name itself
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

// walk is the list of resources to read in search of settings.
type walk struct {
	paths []string
	known map[string]bool // on the list, now or before
}

// newWalk begins with entries of the directory, without those whose path says that they
// are the settings of another.
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

// below adds the resources below x that x links to.
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
