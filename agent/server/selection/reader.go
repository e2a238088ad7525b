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

// Directory is the path of HPE's list of all resources with their types.
const Directory = "/redfish/v1/ResourceDirectory/"

// Reader reads resources through Next, which should be a cache.
type Reader struct {
	Next http.RoundTripper
	// Progress is told how many of the resources are done; it may be nil.
	Progress func(done, total int)

	entries []Entry
	unread  []Unread
}

// show reports progress.
func (r *Reader) show(done, total int) {
	if r.Progress != nil {
		r.Progress(done, total)
	}
}

// Unread is a resource that could not be read, with the reason.
type Unread struct {
	Path string
	Err  error
}

// Unread are the resources that were left out because they could not be read.
func (r *Reader) Unread() []Unread { return r.unread }

// miss notes a resource as unread if there is an error. It returns err if ctx has
// ended, which ends all reading.
func (r *Reader) miss(ctx context.Context, path string, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	same := func(u Unread) bool { return ilopath.Canonical(u.Path) == ilopath.Canonical(path) }
	if !slices.ContainsFunc(r.unread, same) {
		r.unread = append(r.unread, Unread{path, err})
	}
	return nil
}

// Entry is a resource in the iLO's directory.
type Entry struct {
	Path string `json:"@odata.id"`
	Type string `json:"@odata.type"` // such as "#Bios.v1_0_4.Bios"
}

// UnmarshalJSON also reads the form of an iLO 4. Anything else becomes an entry without
// a path.
func (e *Entry) UnmarshalJSON(b []byte) error {
	var body map[string]any
	_ = json.Unmarshal(b, &body)
	*e = Entry{link(body), odataType(body)}
	return nil
}

// link is the path in a link of a body. An iLO 4 has another name for it.
func link(v any) string {
	object, _ := v.(map[string]any)
	path, _ := object["@odata.id"].(string)
	older, _ := object["href"].(string)
	return cmp.Or(path, older)
}

// odataType is the type of a body. An iLO 4 has another name for it.
func odataType(body map[string]any) string {
	text, _ := body["@odata.type"].(string)
	older, _ := body["Type"].(string)
	return cmp.Or(text, older)
}

// Resource is a resource as the Reader got it.
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
	raw, err := r.get(ctx, Directory)
	if err != nil {
		return nil, err
	}
	var list struct{ Instances []Entry }
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", Directory, err)
	}
	r.entries = slices.DeleteFunc(list.Instances, func(e Entry) bool { return !strings.HasPrefix(e.Path, "/") })
	return r.entries, nil
}

// Find reads the selected resources, and returns at least one or an error. It leaves
// out settings objects that belong to others of the resources. It also leaves out what
// cannot be read, and Unread names it; if nothing can be read it fails. The error is
// ErrNoType, ErrNoProperty or ErrNoMatch of a filter, or one of reading.
func (r *Reader) Find(ctx context.Context, s Selector) (found []*Resource, err error) {
	if s.Path != "" {
		x, err := r.Read(ctx, s.Path)
		if err != nil {
			return nil, r.Near(ctx, s.Path, err)
		}
		found = []*Resource{x}
	} else if found, err = r.ofType(ctx, s); err != nil {
		return nil, err
	}
	for _, f := range s.Filters {
		if found, err = f.of(found); err != nil && len(r.unread) > 0 {
			return nil, fmt.Errorf("%w, of those that could be read: %w", err, r.unread[0].Err)
		}
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// ofType reads the resources of a type, without those that are the settings of others.
func (r *Reader) ofType(ctx context.Context, s Selector) ([]*Resource, error) {
	paths, matches, err := r.listed(ctx, s)
	if err != nil {
		return nil, err
	}
	found, err := r.readAll(ctx, paths, matches)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		names := map[string]bool{}
		for _, e := range r.entries {
			names[Name(e.Type)+"."] = true
		}
		return nil, fmt.Errorf("%w: %s%s", ErrNoType, s.Type, schema.Suggest(s.Type, slices.Sorted(maps.Keys(names))))
	}
	settings := map[string]bool{}
	for _, x := range found {
		settings[ilopath.Canonical(x.Settings())] = true
	}
	return slices.DeleteFunc(found, func(x *Resource) bool { return settings[ilopath.Canonical(x.Path)] }), nil
}

// listed returns the paths to read for a type, and which types match: those that begin
// so, else those that contain it.
func (r *Reader) listed(ctx context.Context, s Selector) (paths []string, matches func(odataType string) bool, err error) {
	entries, err := r.Entries(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if s.Matches(e.Type) {
			paths = append(paths, e.Path)
		}
	}
	if len(paths) == 0 { // the directory does not list the members of each collection
		if paths, err = r.members(ctx, s, entries); err != nil {
			return nil, nil, err
		}
	}
	if len(paths) > 0 {
		return paths, s.Matches, nil
	}
	for _, e := range entries {
		if s.contains(e.Type) {
			paths = append(paths, e.Path)
		}
	}
	return paths, s.contains, nil
}

// readAll reads the resources, and keeps those whose type matches. It fails if it keeps
// none because of an error.
func (r *Reader) readAll(ctx context.Context, paths []string, matches func(odataType string) bool) (found []*Resource, err error) {
	var failed error
	var lost string
	for i, path := range paths {
		r.show(i, len(paths))
		x, err := r.Read(ctx, path)
		switch {
		case isGone(err): // the directory may lag
			failed, lost = cmp.Or(failed, err), path
		case err != nil:
			failed = err
			if err := r.miss(ctx, path, err); err != nil {
				return nil, err
			}
		case matches(x.Type):
			found = append(found, x)
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	if lost != "" {
		_ = r.miss(ctx, lost, failed) // it is returned
	}
	return nil, failed
}

// members are the members of the collections of a type.
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
		_ = json.Unmarshal(raw, &list) // another form has no members
		for _, m := range list.Members {
			paths = append(paths, m.Path)
		}
	}
	return paths, nil
}

// Near adds a suggestion to the error that a path does not exist: a similar path of the
// directory. It returns nil and other errors as they are.
func (r *Reader) Near(ctx context.Context, path string, err error) error {
	if !isGone(err) {
		return err
	}
	const root = "/redfish/v1" // with it all paths would look similar
	entries, _ := r.Entries(ctx)
	var names []string
	for _, entry := range entries {
		names = append(names, strings.TrimPrefix(entry.Path, root))
	}
	near := schema.Suggest(strings.TrimPrefix(path, root), names)
	return fmt.Errorf("%w%s", err, strings.Replace(near, `"`, `"`+root, 1))
}

// isGone reports that the resource does not exist.
func isGone(err error) bool {
	e, refused := errors.AsType[*redfisherror.Error](err)
	return refused && e.Status == http.StatusNotFound
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
		return nil, fmt.Errorf("GET %s: %w", path, errNoObject)
	}
	x.Type = odataType(x.Body)
	return x, nil
}

// readSettled reads a resource, and the resource that takes its changes: its settings
// object if it has one, else itself.
func (r *Reader) readSettled(ctx context.Context, path string) (x, now *Resource, err error) {
	if x, err = r.Read(ctx, path); err != nil || x.Settings() == "" {
		return x, x, err
	}
	now, err = r.Read(ctx, x.Settings())
	return x, now, err
}

// errNoObject: the iLO did not answer with a resource.
var errNoObject = errors.New("the answer is not a JSON object")

func (r *Reader) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://ilo"+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("OData-Version", "4.0") // an iLO 4 answers in its older form without (ILO.md §5)
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

// Settings is the path of the object that keeps changes for a resource until the server
// is reset; empty if there is none. Up to iLO 4 it stands in a link.
func (x *Resource) Settings() string {
	settings, _ := x.Body["@Redfish.Settings"].(map[string]any)
	path := link(settings["SettingsObject"])
	for _, name := range []string{"Links", "links"} {
		links, _ := x.Body[name].(map[string]any)
		path = cmp.Or(path, link(links["Settings"]))
	}
	return path
}

// of returns the resources that match the filter.
func (f Filter) of(found []*Resource) (matching []*Resource, err error) {
	known := false
	for _, x := range found {
		values, property := x.values(f.Property)
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
