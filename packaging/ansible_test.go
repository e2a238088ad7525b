package packaging

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// ansible runs playbooks on a host that has the collection installed.
type ansible struct{ *host }

func newAnsible(t *testing.T, o redfish.Options) *ansible {
	t.Helper()
	needIntegration(t, "ansible-playbook", "ansible-galaxy")
	h := newHost(t, o)
	h.environ = append(h.environ, "ANSIBLE_COLLECTIONS_PATH="+h.dir+"/collections", "ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3",
		"ANSIBLE_LOCALHOST_WARNING=false", "ANSIBLE_INVENTORY_UNPARSED_WARNING=false", "ANSIBLE_NOCOLOR=1", "ANSIBLE_REMOTE_TMP="+h.dir+"/tmp")
	for _, args := range [][]string{
		{"build", "ansible", "--output-path", h.dir},
		{"install", "--offline", "-p", h.dir + "/collections", h.dir + "/ilod-ilod-0.1.0.tar.gz"},
	} {
		if out, code := h.run("ansible-galaxy", append([]string{"collection"}, args...)...); code != 0 {
			t.Fatalf("%d %s", code, out)
		}
	}
	return &ansible{h}
}

// outcome is what a task says of itself.
type outcome struct {
	Changed, Failed bool
	Msg             any
	Changes         []struct{ Path, Property string }
	Diff            struct{ Before, After map[string]any }
	Result          string
	Error           string
	RebootRequired  *bool          `json:"reboot_required"`
	Facts           map[string]any `json:"ansible_facts"`
	Redfish         map[string]any `json:"redfish_facts"`
	Session         struct{ Token, URI string }
}

// text runs a playbook of the tasks and returns what Ansible prints.
func (a *ansible) text(tasks string, args ...string) (string, int) {
	a.t.Helper()
	name := filepath.Join(a.dir, "site.yml")
	play := "- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n" + tasks
	if err := os.WriteFile(name, []byte(play), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return a.run("ansible-playbook", append(args, name)...)
}

// play runs a playbook of the tasks and returns what became of each.
func (a *ansible) play(tasks string, args ...string) []outcome {
	a.t.Helper()
	before := len(a.environ)
	a.environ = append(a.environ, "ANSIBLE_STDOUT_CALLBACK=json")
	out, _ := a.text(tasks, args...)
	a.environ = a.environ[:before]
	var run struct {
		Plays []struct {
			Tasks []struct{ Hosts map[string]outcome }
		}
	}
	if err := json.Unmarshal([]byte(out[max(0, strings.Index(out, "{")):]), &run); err != nil || len(run.Plays) != 1 {
		a.t.Fatalf("%v: %s", err, out)
	}
	var all []outcome
	for _, task := range run.Plays[0].Tasks {
		all = append(all, task.Hosts["localhost"])
	}
	if want := strings.Count(tasks, "- name:"); len(all) > want || len(all) < want && !all[len(all)-1].Failed {
		a.t.Fatalf("%d outcomes of %d tasks: %s", len(all), want, out)
	}
	return all
}

// properties are those that changed.
func (o *outcome) properties() string {
	var all []string
	for _, c := range o.Changes {
		all = append(all, c.Property)
	}
	return strings.Join(all, " ")
}

const wanted = `
  - name: a resource
    ilod.ilod.ilod_resource:
      path: /redfish/v1/Systems/1/
      properties:
        AssetTag: rack 7
        Boot: {BootSourceOverrideEnabled: Once, BootSourceOverrideTarget: Pxe}
  - name: the BIOS
    ilod.ilod.ilod_bios:
      attributes: {AdminName: somebody, BootMode: Uefi}
  - name: facts
    ilod.ilod.ilod_facts:
`

// TestAnsibleModules: what Ansible says is what became of the iLO, and a run that
// follows another changes nothing but what somebody else has changed.
func TestAnsibleModules(t *testing.T) {
	a := newAnsible(t, redfish.Options{})
	if out, code := a.run("ansible-doc", "ilod.ilod.ilod_resource", "ilod.ilod.ilod_bios", "ilod.ilod.ilod_facts"); code != 0 || strings.Count(out, "EXAMPLES:") != 3 || strings.Count(out, "RETURN VALUES:") != 3 {
		t.Errorf("%d %s", code, out)
	}
	a.startAgent()
	const all = "/AssetTag /Boot/BootSourceOverrideEnabled /Boot/BootSourceOverrideTarget"
	for _, step := range []struct {
		name, resource, bios, now string // properties that change; the asset tag afterwards
		args                      []string
		waits                     bool
		before                    func()
	}{
		{name: "check", args: []string{"--check", "--diff"}, resource: all, bios: "/Attributes/AdminName", waits: true},
		{name: "run", resource: all, bios: "/Attributes/AdminName", now: "rack 7", waits: true},
		{name: "again", now: "rack 7", waits: true},
		{name: "changed by another", args: []string{"--diff"}, resource: "/AssetTag", now: "rack 7", waits: true,
			before: func() { a.outOfBand("PATCH", "/redfish/v1/Systems/1/", `{"AssetTag":"another"}`) }},
	} {
		if step.before != nil {
			step.before()
		}
		got := a.play(wanted, step.args...)
		resource, bios, facts := got[0], got[1], got[2]
		if resource.Failed || resource.properties() != step.resource || resource.Changed != (step.resource != "") {
			t.Errorf("%s: resource %+v", step.name, resource)
		}
		if bios.Failed || bios.properties() != step.bios || bios.Changed != (step.bios != "") || bios.RebootRequired == nil || *bios.RebootRequired != step.waits {
			t.Errorf("%s: BIOS %+v", step.name, bios)
		}
		inventory, _ := facts.Facts["ilod"].(map[string]any)
		if system, _ := inventory["system"].(map[string]any); facts.Changed || system["serialNumber"] != "SIM0000001" {
			t.Errorf("%s: facts %+v", step.name, facts)
		}
		if strings.Contains(strings.Join(step.args, " "), "--diff") != (len(resource.Diff.After) > 0) || len(resource.Diff.After) > 0 && len(resource.Diff.After) != len(resource.Changes) {
			t.Errorf("%s: diff %+v", step.name, resource.Diff)
		}
		var system struct{ AssetTag string }
		if body := a.outOfBand("GET", "/redfish/v1/Systems/1/", ""); json.Unmarshal([]byte(body), &system) != nil || system.AssetTag != step.now {
			t.Errorf("%s: %s", step.name, body)
		}
	}
	if n := a.logins(); n != 1 {
		t.Errorf("%d logins", n)
	}
}

// TestAnsibleFlatBIOS: attributes that are properties.
func TestAnsibleFlatBIOS(t *testing.T) {
	a := newAnsible(t, flatBIOS(t))
	a.startAgent()
	for _, want := range []string{"/AdminName", ""} {
		got := a.play("  - name: bios\n    ilod.ilod.ilod_bios:\n      attributes: {AdminName: somebody}\n")
		if got[0].Failed || got[0].properties() != want || got[0].RebootRequired == nil || !*got[0].RebootRequired {
			t.Errorf("%+v, want %s", got[0], want)
		}
	}
}

// TestAnsibleRefusals: a module says what ilod says, and a secret is in no output.
func TestAnsibleRefusals(t *testing.T) {
	a := newAnsible(t, redfish.Options{})
	a.startAgent()
	const tasks = `
  - name: not in the list
    ignore_errors: true
    ilod.ilod.ilod_resource: {path: /redfish/v1/Systems/1/, properties: {Boot: {BootSourceOverrideTarget: Nonsense}}}
  - name: refused by the iLO
    ignore_errors: true
    ilod.ilod.ilod_resource: {path: /redfish/v1/Systems/1/, properties: {AssetTag: 5}}
  - name: twice
    ignore_errors: true
    ilod.ilod.ilod_resource: {path: /redfish/v1/Systems/1/, properties: {Oem: {X: 1}}, secrets: {Oem: {X: 2}}}
  - name: nothing
    ignore_errors: true
    ilod.ilod.ilod_resource: {path: /redfish/v1/Systems/1/}
  - name: no such attribute
    ignore_errors: true
    ilod.ilod.ilod_bios: {attributes: {NoSuch: 1}}
`
	got := a.play(tasks)
	for i, want := range []string{"allowed: None, Cd, Hdd", "the property AssetTag has the wrong type", "/Oem/X is given twice", "must name a property", "/Attributes/NoSuch is not a property here"} {
		if !got[i].Failed || got[i].Changed || !strings.Contains(fmt.Sprint(got[i].Msg), want) {
			t.Errorf("%+v: no %q", got[i], want)
		}
	}
	if got[0].Error != "ILO_RESPONSE" || got[1].Result != "rolled-back" {
		t.Errorf("%+v", got)
	}

	a.outOfBand("PATCH", "/redfish/v1/Systems/1/", `{"AssetTag":"former-secret"}`)
	const secret = `Zx9-\"very\"<-secret-`
	if err := os.WriteFile(a.dir+"/vars.yml", []byte(`secret: "`+secret+strings.Repeat("z", 100)+`"`), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := a.text(`
  - name: an old secret
    ilod.ilod.ilod_resource: {path: /redfish/v1/Systems/1/, secrets: {AssetTag: "{{ secret[2:] }}"}}
  - name: a password
    ilod.ilod.ilod_resource: {path: /redfish/v1/AccountService/Accounts/1/, secrets: {Password: "{{ secret }}"}}
  - name: refused
    ilod.ilod.ilod_resource: {path: /redfish/v1/Systems/1/, secrets: {Boot: {BootSourceOverrideTarget: "{{ secret }}"}}}
`, "-vvv", "--diff", "-e", "@"+a.dir+"/vars.yml")
	if code != 2 || !strings.Contains(out, `"committed"`) || !strings.Contains(out, "/Boot/BootSourceOverrideTarget cannot be") {
		t.Errorf("%d %s", code, out)
	}
	if strings.Contains(out, "-secret") || strings.Contains(out, "Zx9") {
		t.Errorf("secret in %s", out)
	}
	if n := a.logins(); n != 1 {
		t.Errorf("%d logins", n)
	}
}

// TestAnsibleRedfish: Ansible's own Redfish modules, unmodified, work on the agent's TLS
// listener, by Basic authentication and with a session; neither costs the iLO more than
// the one it has.
func TestAnsibleRedfish(t *testing.T) {
	a := newAnsible(t, redfish.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	if err := os.WriteFile(a.dir+"/ilod.toml", fmt.Appendf(nil, "[tls]\nlisten = %q\n", address), 0o600); err != nil {
		t.Fatal(err)
	}
	a.startAgent()
	const login = `
  - name: read the login
    no_log: true
    ansible.builtin.slurp: {src: "{{ run }}/tls-login.toml"}
    register: login
  - name: keep it
    no_log: true
    ansible.builtin.set_fact:
      basic: &basic
        baseuri: "{{ address }}"
        username: "{{ login.content | b64decode | regex_search('username = \"(.+)\"', '\\1') | first }}"
        password: "{{ login.content | b64decode | regex_search('password = \"(.+)\"', '\\1') | first }}"
`
	const tasks = login + `
  - name: inventory
    community.general.redfish_info: {<<: *basic, category: Systems, command: "GetSystemInventory,GetBootOverride,GetBiosAttributes"}
  - name: boot override
    community.general.redfish_command: {<<: *basic, category: Systems, command: SetOneTimeBoot, bootdevice: Pxe}
  - name: boot override again
    community.general.redfish_command: {<<: *basic, category: Systems, command: SetOneTimeBoot, bootdevice: Pxe}
  - name: log in
    community.general.redfish_command: {<<: *basic, category: Sessions, command: CreateSession}
    register: made
  - name: users by token
    community.general.redfish_info: {baseuri: "{{ address }}", auth_token: "{{ made.session.token }}", category: Accounts, command: ListUsers}
  - name: restart by token
    community.general.redfish_command: {baseuri: "{{ address }}", auth_token: "{{ made.session.token }}", category: Systems, command: PowerForceRestart}
  - name: log out
    community.general.redfish_command: {baseuri: "{{ address }}", auth_token: "{{ made.session.token }}", category: Sessions, command: DeleteSession, session_uri: "{{ made.session.uri }}"}
`
	got := a.play(tasks, "-e", "address="+address, "-e", "run="+a.dir+"/run")
	for i, changed := range []bool{false, false, false, true, false, true, false, true, true} {
		if got[i].Failed || got[i].Changed != changed {
			t.Errorf("task %d: %+v", i, got[i])
		}
	}
	for _, want := range []string{"SIM0000001", "BootSourceOverrideTarget", "AdminName"} {
		if facts := fmt.Sprint(got[2].Redfish); !strings.Contains(facts, want) {
			t.Errorf("no %q in %s", want, facts)
		}
	}
	if body := a.outOfBand("GET", "/redfish/v1/Systems/1/", ""); !strings.Contains(body, `"BootSourceOverrideTarget":"Pxe"`) {
		t.Error(body)
	}
	if out, code := a.run("ilod", "session", "list", "--json"); code != 0 || strings.Count(out, `"owner"`) != 1 { // its own
		t.Errorf("%d %s", code, out)
	}
	if n := a.logins(); n != 1 {
		t.Errorf("%d logins", n)
	}
}

// TestAnsibleOffline: facts of the cache open no session, and where there is no cache
// they say so.
func TestAnsibleOffline(t *testing.T) {
	a := newAnsible(t, redfish.Options{})
	const tasks = `
  - name: facts
    ilod.ilod.ilod_facts: {offline: true}
`
	if got := a.play(tasks)[0]; !got.Failed || got.Error != "NOT_CACHED" {
		t.Errorf("%+v", got)
	}
	if out, code := a.run("ilod", "health"); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	before := a.logins()
	if got := a.play(tasks)[0]; got.Failed || got.Facts["ilod"] == nil {
		t.Errorf("%+v", got)
	}
	if before != 1 || a.logins() != 1 {
		t.Errorf("%d logins, then %d", before, a.logins())
	}
}
