package freshness_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/freshness"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// accepts is an iLO that says yes to every write, and shows the same afterwards.
type accepts struct{ serve }

func (a accepts) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		return a.serve.RoundTrip(r)
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
}

var (
	// immutable is what belongs to a firmware.
	immutable = regexp.MustCompile(`(?i)/(JsonSchemas|SchemaStore|Registries|RegistryStore)\b|\$metadata|^/redfish$|/odata$`)
	// aside is what nobody writes to, or what is shown nowhere else: entries of logs
	// quote what was once so, and sessions are never kept.
	aside = regexp.MustCompile(`(?i)/LogServices/|/ResourceDirectory|/Sessions\b|/Actions\b`)
	// same are properties of few values that are about one thing all the same.
	same = map[string]bool{"PowerState": true, "AssetTag": true, "IndicatorLED": true, "PostState": true}

	// coincidence are properties that are equal by chance wherever they are equal in
	// different services: words of a small vocabulary, and numbers.
	coincidence = map[string]bool{
		"State": true, "Health": true, "HealthRollup": true, "Index": true, "Time": true, "Notes": true, "Version": true, "Manufacturer": true,
		"LocationType": true, "CurrentSpeedGbps": true, "FirmwareVersion": true, "Port": true,
	}
)

// shown are the values of a body's properties, which are no links, by "Name=value".
func shown(v any, name string, found map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			if !strings.Contains(k, "@") && k != "Id" && k != "Name" && k != "Description" && k != "MemberId" && k != "Links" && k != "links" {
				shown(inner, k, found)
			}
		}
	case []any:
		for _, inner := range v {
			shown(inner, name, found)
		}
	case string:
		if len(v) > 1 && !coincidence[name] || same[name] {
			found[fmt.Sprintf("%s=%s", name, v)] = true
		}
	}
}

// shows are the resources of a tree by what they show, and what each shows.
func shows(t *testing.T, tr *tree.Tree) (by map[string][]string, of map[string]map[string]bool) {
	by, of = map[string][]string{}, map[string]map[string]bool{}
	for _, r := range tr.Resources() {
		var body any
		if r.Status != 200 || immutable.MatchString(r.URI) || aside.MatchString(r.URI) || json.Unmarshal(r.Body, &body) != nil {
			continue
		}
		found := map[string]bool{}
		shown(body, "", found)
		of[r.URI] = found
		for what := range found {
			by[what] = append(by[what], r.URI)
		}
	}
	return by, of
}

// One thing that is shown in several places has the same name and value there in
// the captured trees, and few other resources have it too. What a write changes
// in one place is changed in the others.
func TestNoReadIsOlderThanAWriteToWhatItShows(t *testing.T) {
	for _, file := range captured(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			tr := load(t, file)
			by, of := shows(t, tr)
			c := freshness.New(freshness.Options{Next: accepts{serve{frozen(t, tr)}}, Store: &store{}})
			defer c.Close()
			get := func(uri string, headers ...string) (string, string) {
				resp, err := c.RoundTrip(request(t, uri, headers...))
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				return resp.Header.Get("Cache-Status"), string(body)
			}
			pairs, properties := 0, map[string]bool{}
			for _, written := range slices.Sorted(maps.Keys(of)) {
				others := map[string]string{}
				for what := range of[written] {
					name, _, _ := strings.Cut(what, "=")
					if len(by[what]) > 6 && !same[name] {
						continue // a word such as "None"
					}
					for _, other := range by[what] {
						if other != written {
							properties[name] = true
							others[other] = what
						}
					}
				}
				if len(others) == 0 {
					continue
				}
				for other := range others {
					get(other)
				}
				r := request(t, strings.Replace(written, "/redfish/v1", []string{"/redfish/v1", "/REST/v1/"}[pairs%2], 1))
				r.Method = http.MethodPatch
				if _, err := c.RoundTrip(r); err != nil {
					t.Fatal(err)
				}
				for other, what := range others {
					if status, _ := get(other, "Cache-Control", "only-if-cached"); !strings.Contains(status, "only-if-cached") && !strings.Contains(status, "bypass") {
						t.Errorf("after a write to %s, %s still shows %.60s: %s", written, other, what, status)
					}
					pairs++
				}
			}
			t.Logf("%d pairs, %d properties", pairs, len(properties))
			for _, name := range []string{"PowerState", "AssetTag", "SerialNumber", "HostName"} {
				if !properties[name] {
					t.Errorf("that proves nothing: %s was not shown twice", name)
				}
			}
		})
	}
}

// Nobody knows what an action changes: a reset begins with the power state and
// ends with everything.
func TestNoReadIsOlderThanAnAction(t *testing.T) {
	for _, file := range captured(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			tr := load(t, file)
			c := freshness.New(freshness.Options{Next: accepts{serve{frozen(t, tr)}}, Store: &store{}})
			defer c.Close()
			for _, r := range tr.Resources() {
				if _, err := c.RoundTrip(request(t, r.URI)); err != nil {
					t.Fatal(err)
				}
			}
			before := len(c.Entries())
			r := request(t, "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset")
			r.Method = http.MethodPost
			if _, err := c.RoundTrip(r); err != nil {
				t.Fatal(err)
			}
			for _, e := range c.Entries() {
				if !immutable.MatchString(e.Key) {
					t.Errorf("%s is from before the action", e.Key)
				}
			}
			if after := len(c.Entries()); before < 1000 || after == 0 {
				t.Errorf("that proves nothing: %d entries, then %d", before, after)
			}
		})
	}
}
