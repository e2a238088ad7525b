package redfish

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/ilod/ilod/chif/chiftest/tree"
)

// maxAccounts is how many local users an iLO has room for.
const maxAccounts = 12

// required are the properties without which a member cannot be made.
var required = map[string][]string{
	"ManagerAccountCollection":   {"UserName", "Password"},
	"EventDestinationCollection": {"Destination"},
}

// offered are the values of properties that take no others (schema).
var offered = map[string]map[string][]string{
	"EventDestinationCollection": {"Protocol": {"Redfish"}},
}

// create adds a member to a collection: 201 and its Location. What else an iLO
// lets clients POST to just takes it.
func (s *Service) create(q *request, collection *resource) *reply {
	given, err := parseObject(q.body)
	if err != nil {
		return s.message(http.StatusBadRequest, "MalformedJSON")
	}
	if !strings.HasSuffix(collection.schema, "Collection") {
		return s.message(http.StatusOK, "Success")
	}
	for _, name := range required[collection.schema] {
		if given.text(name) == "" {
			return s.message(http.StatusBadRequest, "PropertyMissing", name)
		}
	}
	for name, values := range offered[collection.schema] {
		if raw, ok := given.get(name); ok && !slices.Contains(values, given.text(name)) {
			return s.message(http.StatusBadRequest, "PropertyValueNotInList", string(raw), name)
		}
	}
	account := Account{UserName: given.text("UserName"), Password: given.text("Password")}
	if collection.schema == "ManagerAccountCollection" {
		for _, a := range s.accounts {
			if strings.EqualFold(a.UserName, account.UserName) {
				return s.message(http.StatusBadRequest, "UserAlreadyExist")
			}
		}
		if len(s.members(collection)) >= maxAccounts {
			return s.message(http.StatusBadRequest, "CreateLimitReachedForResource")
		}
		account.ReadOnly = given.text("RoleId") == "ReadOnly"
		s.accounts = append(s.accounts, account)
		given.set("Password", json.RawMessage("null"))
	}
	x, odataType := s.newMember(collection, given)
	s.resources[x.key] = x
	s.order = append(s.order, x)
	s.list(x, odataType)
	s.setMembers(collection, append(s.members(collection), link{x.uri}))
	r := s.message(http.StatusCreated, "Created")
	r.header = http.Header{"Location": {"https://" + q.Host + strings.TrimSuffix(x.uri, "/") + "/"}}
	return r
}

// changeAccount takes over a new name or password from the changed body of an
// account, which never shows the password.
func (s *Service) changeAccount(before, after json.RawMessage) json.RawMessage {
	o, err := parseObject(after)
	if err != nil {
		return after
	}
	was, _ := parseObject(before)
	for i := range s.accounts {
		if a := &s.accounts[i]; strings.EqualFold(a.UserName, was.text("UserName")) {
			a.UserName = o.text("UserName")
			a.ReadOnly = o.text("RoleId") == "ReadOnly"
			if password := o.text("Password"); password != "" {
				a.Password = password
			}
		}
	}
	o.set("Password", json.RawMessage("null"))
	return o.bytes()
}

// newMember makes the resource, with the lowest free number as its Id.
func (s *Service) newMember(collection *resource, given object) (x *resource, odataType string) {
	schema := strings.TrimSuffix(collection.schema, "Collection")
	odataType = fmt.Sprintf("#%s.v1_0_0.%s", schema, schema)
	for _, m := range s.members(collection) {
		if sibling := s.resources[tree.Key(m.ID)]; sibling != nil {
			if o, err := parseObject(sibling.body); err == nil && o.text("@odata.type") != "" {
				odataType = o.text("@odata.type")
			}
		}
	}
	id := 1
	for s.resources[collection.key+"/"+strconv.Itoa(id)] != nil {
		id++
	}
	uri := strings.TrimSuffix(collection.uri, "/") + "/" + strconv.Itoa(id)
	body := object{
		{"@odata.context", encode("/redfish/v1/$metadata#" + schema + "." + schema)},
		{"@odata.id", encode(s.uri(uri))},
		{"@odata.type", encode(odataType)},
		{"Id", encode(strconv.Itoa(id))},
	}
	for _, m := range given.writable() {
		body.set(m.key, m.value)
	}
	x = &resource{uri: s.uri(uri), key: tree.Key(uri), schema: schema, status: http.StatusOK, methods: methodsOf(schema)}
	if !x.allows(http.MethodDelete) {
		x.methods = append(x.methods, http.MethodDelete)
	}
	x.body = s.newETag(body, schema, shortETag)
	x.etag = etagIn(x.body)
	return x, odataType
}

// predefined tells whether a resource is a role that is the same on all
// services: it cannot be changed (DSP0266). Which messages say so is inference.
func (x *resource) predefined() bool {
	return x.schema == "Role" && string(getIn(x.body, "IsPredefined")) == "true"
}

// delete removes a member of a collection, and with an account its sessions.
func (s *Service) delete(_ *request, x *resource) *reply {
	if x.predefined() {
		return s.message(http.StatusMethodNotAllowed, "ResourceCannotBeDeleted")
	}
	if x.schema == "ManagerAccount" {
		o, _ := parseObject(x.body)
		name := o.text("UserName")
		s.accounts = slices.DeleteFunc(s.accounts, func(a Account) bool { return strings.EqualFold(a.UserName, name) })
		for _, y := range s.table.live {
			if strings.EqualFold(y.UserName, name) {
				s.remove(y)
			}
		}
	}
	delete(s.resources, x.key)
	s.unlist(x)
	if i := strings.LastIndexByte(x.key, '/'); i > 0 {
		if parent := s.resources[x.key[:i]]; parent != nil {
			kept := []link{}
			for _, m := range s.members(parent) {
				if tree.Key(m.ID) != x.key {
					kept = append(kept, m)
				}
			}
			s.setMembers(parent, kept)
		}
	}
	return s.message(http.StatusOK, "Success")
}

func (s *Service) members(collection *resource) []link {
	var members []link
	_ = json.Unmarshal(getIn(collection.body, "Members"), &members)
	return members
}

// setMembers changes a collection. Unless ETags are honest its new one tells
// nothing but how many members there are, as on a real iLO (§6).
func (s *Service) setMembers(collection *resource, members []link) {
	o, err := parseObject(collection.body)
	if err != nil {
		return
	}
	o.set("Members", encode(members))
	o.set("Members@odata.count", encode(len(members)))
	_ = s.update(collection, o.bytes()) // was parsed just now
	if s.o.HonestETags || collection.etag == "" {
		return
	}
	collection.etag = s.etagOf(fmt.Appendf(nil, "%d members", len(members)), collection.style)
	if len(members) == collection.firstCount {
		collection.etag = collection.firstETag
	}
	collection.body, _ = setIn(collection.body, encode(collection.etag), "@odata.etag")
}
