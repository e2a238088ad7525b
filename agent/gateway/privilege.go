package gateway

import (
	_ "embed"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/ilod/ilod/agent/ilopath"
)

// privilegeData is what DMTF's privilege registry says, with its version and source.
//
//go:embed privileges.tsv
var privilegeData string

// operations are the roles that the operations of a resource need; Anyone is what is
// left open.
type operations struct{ get, patch, post, delete Role }

func (o operations) of(method string) Role {
	switch method {
	case http.MethodPatch, http.MethodPut:
		return o.patch
	case http.MethodPost:
		return o.post
	case http.MethodDelete:
		return o.delete
	}
	return o.get
}

// override is instead of an entity's own operations, where it stands under others.
type override struct {
	under []string // entities, from the outside to the inside
	operations
}

// registryOf is a privilege registry.
type registryOf struct {
	operations map[string]operations // by entity
	overrides  map[string][]override // by entity
	segments   map[string]string     // the entities at which segments of URIs lead to them
}

// privileges is the registry. Only the file itself can make the reading of it fail.
var privileges = sync.OnceValue(func() registryOf {
	r := registryOf{operations: map[string]operations{}, overrides: map[string][]override{}, segments: map[string]string{}}
	for line := range strings.Lines(privilegeData) {
		column := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") || len(column) != 7 {
			continue
		}
		entity, o := column[0], operations{roleFor(column[3]), roleFor(column[4]), roleFor(column[5]), roleFor(column[6])}
		if under := strings.Fields(column[1]); len(under) > 0 {
			r.overrides[entity] = append(r.overrides[entity], override{under, o})
			continue
		}
		r.operations[entity] = o
		for segment := range strings.SplitSeq(column[2], ",") {
			r.segments[segment] = entity
		}
	}
	delete(r.segments, "")
	return r
})

// roleFor is the least role with one of the privileges. Readers have Login,
// operators ConfigureComponents as well, admins all. ConfigureSelf counts for
// nothing: to the iLO all that comes from here is of the agent's one session.
func roleFor(privileges string) Role {
	least := Admin
	for p := range strings.SplitSeq(privileges, "|") {
		switch p {
		case "":
			return Anyone // not said
		case "Login":
			least = min(least, Reader)
		case "ConfigureComponents":
			least = min(least, Operator)
		}
	}
	return least
}

// entities are those to which a canonical path leads, from the outside to the
// inside. What the registry does not know belongs to what it is in, as the settings
// of a resource, its actions and the manufacturer's own resources do.
func (r *registryOf) entities(path string) (all []string) {
	rest, within := strings.CutPrefix(path, "/redfish/v1/")
	if !within {
		return nil
	}
	last, member := "", false
	for segment := range strings.SplitSeq(rest, "/") {
		of, inside := strings.CutSuffix(last, "Collection")
		switch next, known := r.segments[segment]; {
		case segment == "actions":
			return all
		case inside && member && segment == "members": // an older spelling
			continue
		case inside && member:
			last, member = of, false
		case segment == "metrics":
			if _, known := r.operations[last+"Metrics"]; known {
				last += "Metrics"
			}
		case known:
			last, member = next, strings.HasSuffix(next, "Collection")
		default:
			continue
		}
		all = append(all, last)
	}
	return all
}

// role is the role that an operation on a canonical path needs; Anyone if there is
// no entity that the registry knows.
func (r *registryOf) role(path, method string) Role {
	all := r.entities(path)
	if len(all) == 0 {
		return Anyone
	}
	entity, above := all[len(all)-1], all[:len(all)-1]
	for _, o := range r.overrides[entity] {
		if role := o.of(method); role > Anyone && leads(above, o.under) {
			return role
		}
	}
	return r.operations[entity].of(method)
}

// leads reports that all of part stand in the list, in their order.
func leads(list, part []string) bool {
	for _, entity := range part {
		i := slices.Index(list, entity)
		if i < 0 {
			return false
		}
		list = list[i+1:]
	}
	return true
}

// role is the role that a request of the route needs. Of the iLO's resources the
// privilege registry may ask for more than the route. Its sessions are an
// exception: who has them is for readers to see, as with GET /ilod/v1/ilo-sessions.
func (r *route) role(path, method string) Role {
	if r.handle != nil || r.need == Anyone || !ofILO(path) || slices.ContainsFunc(sessionRoots, func(root string) bool { return ilopath.Within(path, root) }) {
		return r.need
	}
	registry := privileges()
	return max(r.need, registry.role(path, method))
}
