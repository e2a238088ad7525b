// Package ilopathtest has spellings of paths for tests: each package that compares
// paths must pass them.
package ilopathtest

// Spelling is one way to write a path.
type Spelling struct {
	Path      string
	Canonical string
	// Plain tells whether everybody who reads the path finds the same resource.
	Plain bool
}

// Resource is the canonical path that most of the Spellings have.
const Resource = "/redfish/v1/systems/1"

// Spellings is the table.
var Spellings = []Spelling{
	{"/redfish/v1/systems/1", Resource, true},
	{"/redfish/v1/Systems/1/", Resource, true},
	{"/REDFISH/V1/SYSTEMS/1", Resource, true},
	{"//redfish/v1//Systems///1//", Resource, true},
	{"/redfish/v1/%53ystems/%31", Resource, true},
	{"/%72%65%64%66%69%73%68/v1/systems/1", Resource, true},
	{"/rest/v1/Systems/1", Resource, true},
	{"/Rest/V1/Systems/1/", Resource, true},
	{"//rest//v1/Systems/1", Resource, true},
	{"/%72est/v1/Systems/1", Resource, true},
	{"/redfish/v1/Systems/1?$expand=.", Resource, true},
	{"/redfish/v1/Systems/1/?a=/b/", Resource, true},
	{"/redfish/v1/Systems/1?", Resource, true},
	{"/redfish/v1/Systems/1#/Boot", Resource, true},
	{"/redfish/v1/Systems/1/#", Resource, true},
	{"/redfish/v1/Systems/1#/a?b", Resource, true},

	{"/redfish/v1//systems/1", Resource, true},
	{"/redfish/v1/./systems/1", Resource, false},
	{"/redfish/v1/x/../systems/1", Resource, false},
	{"/redfish/v1/systems/1/.", Resource, false},
	{"/redfish/v1/./Systems/1", Resource, false},
	{"/redfish/v1/Systems/1/.", Resource, false},
	{"/redfish/v1/x/../Systems/1", Resource, false},
	{"/redfish/v1/Systems/1/x/..", Resource, false},
	{"/../redfish/v1/Systems/1", Resource, false},
	{"/redfish/v1/%2e/Systems/1", Resource, false},
	{"/redfish/v1/x/%2E%2e/Systems/1", Resource, false},
	{"/redfish/v1%2FSystems/1", Resource, false},
	{"/redfish/v1%2fSystems%2F1%2f", Resource, false},
	{"/redfish/v1/%2553ystems/1", Resource, false},
	{"/redfish/v1/%25253%33ystems/1", "/redfish/v1/3ystems/1", false},
	{"/redfish/v1%252fsystems/1", Resource, false},
	{"/redfish/v1/%25%35%33ystems/1", Resource, false},

	{"/", "/", true},
	{"//", "/", true},
	{"/redfish", "/redfish", true},
	{"/rest", "/redfish", true},
	{"/rest/", "/redfish", true},
	{"/rest/v1", "/redfish/v1", true},
	{"/restful/v1", "/restful/v1", true},
	{"/redfish/v1/rest/v1", "/redfish/v1/rest/v1", true},
	{"/redfish/v1/$metadata", "/redfish/v1/$metadata", true},
	{"/redfish/v1/Systems/11", "/redfish/v1/systems/11", true},
	{"/redfish/v1/Systems", "/redfish/v1/systems", true},
	{"/redfish/v1/Systems/1/x", "/redfish/v1/systems/1/x", true},
	{"/redfish/v1/a%20b", "/redfish/v1/a b", true},
	{"/redfish/v1/a.b/c%2ed", "/redfish/v1/a.b/c.d", true},
	{"/redfish/v1/a%40b%3ac,(d)e", "/redfish/v1/a@b:c,(d)e", true},
	{"/redfish/v1/a_b-/-c_", "/redfish/v1/a_b-/-c_", true},
	{"/redfish/v1/Systems%20/1", "/redfish/v1/systems /1", false},
	{"/redfish/v1/Systems/%201", "/redfish/v1/systems/ 1", false},
	{"/redfish/v1/Systems./1", "/redfish/v1/systems./1", false},
	{"/redfish/v1/Systems%2e/1", "/redfish/v1/systems./1", false},
	{"/redfish/v1/Systems$/1", "/redfish/v1/systems$/1", false},
	{"/redfish/v1/Systems@/1", "/redfish/v1/systems@/1", false},
	{"/redfish/v1/Systems:/1", "/redfish/v1/systems:/1", false},
	{"/redfish/v1/a!b", "/redfish/v1/a!b", false},
	{"/redfish/v1/a%E2%80%AEb", "/redfish/v1/a\u202Eb", false}, // right to left
	{"/redfish/v1/a+b", "/redfish/v1/a+b", false},
	{"/redfish/v1/@AZ%5B", "/redfish/v1/@az[", false},
	{"/redfish/v1/a.b/.c/...", "/redfish/v1/a.b/.c/...", false},
	{"/redfish/v1/%E2%84%AAeys", "/redfish/v1/\u212Aeys", false}, // a Kelvin sign is no k
	{"/redfish/v1/a%0Ab", "/redfish/v1/a\nb", false},
	{"/redfish/v1/a%7fb", "/redfish/v1/a\x7fb", false},
	{"/redfish/v1/a%00", "/redfish/v1/a\x00", false},
	{"/redfish/v1/a%3Fb", "/redfish/v1/a%3fb", false},
	{"/redfish/v1/a%23b", "/redfish/v1/a%23b", false},
	{"/redfish/v1/a%253fb", "/redfish/v1/a%3fb", false},
	{"/redfish/v1/a%25zz", "/redfish/v1/a%zz", false},
	{"/redfish/v1/Systems;x/1", "/redfish/v1/systems;x/1", false},
	{"/redfish/v1/Systems/1%3bx", "/redfish/v1/systems/1;x", false},
	{"/redfish/v1%5cSystems/1", `/redfish/v1\systems/1`, false},
}
