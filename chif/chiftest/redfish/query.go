package redfish

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/ilod/ilod/chif/chiftest/tree"
)

// query applies the query options only, $expand and $select to what a GET
// found. All others are ignored, as is everything on an iLO 4 and on the root
// without a session (§5).
func (s *Service) query(q *request, v *view) *view {
	if q.URL.RawQuery == "" || s.o.Generation == 4 || s.o.NoQueryOptions || q.anonymous {
		return v
	}
	options, err := url.ParseQuery(q.URL.RawQuery)
	if err != nil {
		return v
	}
	changed := *v
	if options.Has("only") {
		if members := s.members(&resource{body: v.body}); len(members) == 1 {
			if m := s.view(q, tree.Key(members[0].ID)); m != nil {
				changed = *m
			}
		}
	}
	body := json.RawMessage(changed.body)
	if e := options.Get("$expand"); strings.HasPrefix(e, ".") || strings.HasPrefix(e, "*") {
		body = s.expand(q, body)
	}
	if names := options.Get("$select"); names != "" {
		body = choose(body, strings.Split(names, ","))
	}
	if len(body) == len(changed.body) && string(body) == string(changed.body) {
		return &changed
	}
	o, err := parseObject(body)
	if err != nil {
		return v
	}
	changed.body, changed.resource = s.newETag(o, "", styleOf(changed.etag)), nil
	changed.etag = etagIn(changed.body)
	return &changed
}

// expand puts resources in the place of the links to them, one level deep and
// never in Links (§5).
func (s *Service) expand(q *request, raw json.RawMessage) json.RawMessage {
	switch kind(raw) {
	case '[':
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) != nil {
			return raw
		}
		for i := range list {
			list[i] = s.expand(q, list[i])
		}
		return encode(list)
	case '{':
		o, err := parseObject(raw)
		if err != nil {
			return raw
		}
		if len(o) == 1 && o[0].key == "@odata.id" {
			if v := s.view(q, tree.Key(o.text("@odata.id"))); v != nil && v.status == 200 {
				return v.body
			}
			return raw
		}
		for i, m := range o {
			if m.key != "Links" && m.key != "Actions" && m.key != "@Redfish.Settings" {
				o[i].value = s.expand(q, m.value)
			}
		}
		return o.bytes()
	}
	return raw
}

// choose keeps the named properties, "Oem/Hpe/PostState" for an inner one, and
// the annotations.
func choose(raw json.RawMessage, names []string) json.RawMessage {
	o, err := parseObject(raw)
	if err != nil {
		return raw
	}
	var kept object
	for _, m := range o {
		var inner []string
		whole := strings.HasPrefix(m.key, "@")
		for _, name := range names {
			first, rest, deeper := strings.Cut(strings.TrimSpace(name), "/")
			if first == m.key {
				if whole = whole || !deeper; deeper {
					inner = append(inner, rest)
				}
			}
		}
		if whole {
			kept = append(kept, m)
		} else if inner != nil {
			kept = append(kept, member{m.key, choose(m.value, inner)})
		}
	}
	return kept.bytes()
}
