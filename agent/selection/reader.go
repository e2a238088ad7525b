package selection

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/agent/redfisherror"
	"github.com/ilod/ilod/agent/schema"
)

// directory is the iLO's list of its resources.
const directory = "/redfish/v1/ResourceDirectory/"

// Reader reads resources through Next, which should be a cache.
type Reader struct {
	Next http.RoundTripper
	// Progress is told how many of the resources that Find reads it has read; it
	// may be nil.
	Progress func(done, total int)

	entries []Entry
}

// Entry is a resource in the iLO's directory.
type Entry struct {
	Path string `json:"@odata.id"`
	Type string `json:"@odata.type"` // such as "#Bios.v1_0_4.Bios"
}

// Resource is one that was read.
type Resource struct {
	Path string
	Type string // such as "#Bios.v1_0_4.Bios"
	Raw  []byte
	Body map[string]any // numbers are json.Number
}

// Entries are all resources in the iLO's directory, in its order.
func (r *Reader) Entries(ctx context.Context) ([]Entry, error) {
	if r.entries != nil {
		return r.entries, nil
	}
	raw, err := r.get(ctx, directory)
	if err != nil {
		return nil, err
	}
	var list struct{ Instances []Entry }
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", directory, err)
	}
	r.entries = list.Instances
	return r.entries, nil
}

// Find reads the resources that are selected, of which there is one at least. Of
// resources and the objects for their settings, both of the same type, the latter
// are left out. Errors are ErrNoType, ErrNoProperty and ErrNoMatch of a filter,
// and those of reading.
func (r *Reader) Find(ctx context.Context, s Selector) ([]*Resource, error) {
	found, err := r.candidates(ctx, s)
	if err != nil {
		return nil, err
	}
	settings := map[string]bool{}
	for _, x := range found {
		settings[ilopath.Canonical(x.Settings())] = true
	}
	found = slices.DeleteFunc(found, func(x *Resource) bool { return s.Path == "" && settings[ilopath.Canonical(x.Path)] })
	for _, f := range s.Filters {
		if found, err = f.of(found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// candidates are the resources of a path or a type.
func (r *Reader) candidates(ctx context.Context, s Selector) (found []*Resource, err error) {
	if s.Path != "" {
		x, err := r.Read(ctx, s.Path)
		return []*Resource{x}, r.Near(ctx, s.Path, err)
	}
	entries, err := r.Entries(ctx)
	if err != nil {
		return nil, err
	}
	paths, names := []string{}, map[string]bool{}
	for _, e := range entries {
		names[Name(e.Type)+"."] = true
		if s.Matches(e.Type) {
			paths = append(paths, e.Path)
		}
	}
	matches := s.Matches
	if len(paths) == 0 { // the directory does not list the members of each collection
		if paths, err = r.members(ctx, s, entries); err != nil {
			return nil, err
		}
	}
	if len(paths) == 0 {
		matches = s.contains
		for _, e := range entries {
			if matches(e.Type) {
				paths = append(paths, e.Path)
			}
		}
	}
	var gone error
	for i, path := range paths {
		if r.Progress != nil {
			r.Progress(i, len(paths))
		}
		x, err := r.Read(ctx, path)
		if e, refused := errors.AsType[*redfisherror.Error](err); refused && e.Status == http.StatusNotFound {
			gone = cmp.Or(gone, err) // the directory may lag
			continue
		}
		if err != nil {
			return nil, err
		}
		if matches(x.Type) {
			found = append(found, x)
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	if gone != nil {
		return nil, gone
	}
	return nil, fmt.Errorf("%w: %s%s", ErrNoType, s.Type, schema.Suggest(s.Type, slices.Sorted(maps.Keys(names))))
}

// members are those of the collections named after the type.
func (r *Reader) members(ctx context.Context, s Selector, entries []Entry) (paths []string, err error) {
	for _, e := range entries {
		if !strings.EqualFold(Name(e.Type), Name(s.Type)+"Collection") {
			continue
		}
		raw, err := r.get(ctx, e.Path)
		if err != nil {
			return nil, err
		}
		var list struct{ Members []Entry }
		_ = json.Unmarshal(raw, &list) // what has another form has no members
		for _, m := range list.Members {
			paths = append(paths, m.Path)
		}
	}
	return paths, nil
}

// Near adds to the error that there is nothing at a path the one of the directory
// that was perhaps meant. Other errors, and nil, it returns as they are.
func (r *Reader) Near(ctx context.Context, path string, err error) error {
	e, refused := errors.AsType[*redfisherror.Error](err)
	if !refused || e.Status != http.StatusNotFound {
		return err
	}
	const root = "/redfish/v1" // which would make all paths alike
	entries, _ := r.Entries(ctx)
	var names []string
	for _, entry := range entries {
		names = append(names, strings.TrimPrefix(entry.Path, root))
	}
	near := schema.Suggest(strings.TrimPrefix(path, root), names)
	return fmt.Errorf("%w%s", err, strings.Replace(near, `"`, `"`+root, 1))
}

// Read reads one resource.
func (r *Reader) Read(ctx context.Context, path string) (*Resource, error) {
	raw, err := r.get(ctx, path)
	if err != nil {
		return nil, err
	}
	x := &Resource{Path: path, Raw: raw}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&x.Body); err != nil || x.Body == nil {
		return nil, fmt.Errorf("GET %s: the answer is no JSON object", path)
	}
	x.Type, _ = x.Body["@odata.type"].(string)
	return x, nil
}

func (r *Reader) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://ilo"+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("OData-Version", "4.0") // an iLO 4 answers in its older form without (ilo-behaviour §5)
	resp, err := r.Next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, redfisherror.New(resp, body)
	}
	return body, nil
}

// Settings is the path of the object that takes changes for a resource until the
// server is reset; empty if there is none.
func (x *Resource) Settings() string {
	settings, _ := x.Body["@Redfish.Settings"].(map[string]any)
	object, _ := settings["SettingsObject"].(map[string]any)
	path, _ := object["@odata.id"].(string)
	return path
}

// of are those of the resources that a filter matches.
func (f Filter) of(found []*Resource) (matching []*Resource, err error) {
	known := false
	for _, x := range found {
		values, property := x.Values(f.Property)
		if property == nil {
			known = true
		}
		if err = cmp.Or(err, property); slices.ContainsFunc(values, f.matches) {
			matching = append(matching, x)
		}
	}
	switch {
	case len(matching) > 0:
		return matching, nil
	case known:
		return nil, fmt.Errorf("%w: %s=%s", ErrNoMatch, f.Property, f.Value)
	}
	return nil, err
}
