package packaging

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// puppetHost is a host with the module, where each call of ilod is written down.
type puppetHost struct {
	*host
	modules string
}

func newPuppetHost(t *testing.T) *puppetHost {
	t.Helper()
	h := &puppetHost{host: newHost(t, redfish.Options{})}
	module, err := filepath.Abs("puppet")
	if err != nil {
		t.Fatal(err)
	}
	ilod, err := filepath.Abs("../bin/ilod")
	if err != nil {
		t.Fatal(err)
	}
	h.modules = h.dir + "/modules"
	for _, dir := range []string{h.modules, h.dir + "/bin"} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(module, h.modules+"/ilod"); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\nprintf '%%s\\n' \"$*\" >>%[1]s/calls\nenv >>%[1]s/environment\nexec %s \"$@\"\n", h.dir, ilod)
	if err := os.WriteFile(h.dir+"/bin/ilod", []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	h.environ = append(h.environ, "PATH="+h.dir+"/bin:"+os.Getenv("PATH"))
	return h
}

// puppet runs a program of Puppet's in a PID namespace, where Facter finds no
// process to wonder about. It runs in the host's own directory, since Facter 4.3 makes
// empty files there, whose names are bytes of its memory.
func (h *puppetHost) puppet(args ...string) (string, int) {
	h.t.Helper()
	return h.run("unshare", append([]string{"-fpn", "--mount-proc", "--wd=" + h.dir}, args...)...)
}

// apply is what "puppet apply" prints and its exit code: 0 for nothing to do, 2 for
// changes, 4 for failures, 6 for both. It is as strict as Puppet 8 by default.
func (h *puppetHost) apply(manifest string, flags ...string) (string, int) {
	h.t.Helper()
	if err := os.WriteFile(h.dir+"/site.pp", []byte(manifest), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return h.puppet(append([]string{"puppet", "apply", "--confdir", h.dir + "/conf", "--vardir", h.dir + "/var", "--modulepath", h.modules,
		"--color", "false", "--strict", "error", "--strict_variables", "--detailed-exitcodes", h.dir + "/site.pp"}, flags...)...)
}

// calls are the calls of ilod since the last time.
func (h *puppetHost) calls() []string {
	h.t.Helper()
	data, err := os.ReadFile(h.dir + "/calls")
	if err != nil {
		h.t.Fatal(err)
	}
	if err := os.Remove(h.dir + "/calls"); err != nil {
		h.t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// writes is how often the iLO was asked to change something.
func (h *puppetHost) writes() (n int) {
	for request, count := range h.iLO.Stats().Requests {
		if strings.HasPrefix(request, "PATCH ") {
			n += count
		}
	}
	return n
}

// TestPuppet: changes, then none; what is changed behind the host's back is put
// right, and nothing else; all with one login.
func TestPuppet(t *testing.T) {
	needIntegration(t, "puppet", "unshare")
	const (
		owner    = `Owner "4712-4711-4710"`
		password = "Pass-word-4711"
	)
	h := newPuppetHost(t)
	h.startAgent()
	const account = `{"UserName":"puppet","Password":"first-password","Oem":{"Hpe":{"LoginName":"puppet","Privileges":{}}}}`
	if out, code := h.run("ilod", "raw", "POST", "/redfish/v1/AccountService/Accounts/", "--data", account); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	example, err := os.ReadFile("puppet/examples/init.pp")
	if err != nil {
		t.Fatal(err)
	}
	site := fmt.Sprintf(`
warning("fact: ${facts['ilod']}")
class { 'ilod':
  config         => { 'timeout' => '30s', 'roles' => { 'reader' => { 'groups' => ['monitoring'] } } },
  manage_package => false,
  manage_service => false,
  config_file    => '%[1]s/written.toml',
}
ilod_resource { '/redfish/v1/Managers/1/NetworkProtocol/':
  properties => Sensitive({ 'HostName' => 'hidden-name' }),
}
ilod_resource { '/redfish/v1/AccountService/Accounts/2/':
  properties => { 'Password' => Sensitive('%[2]s') },
  hidden     => refresh,
  subscribe  => File['%[1]s/written.toml'],
}
ilod_bios { 'owner':
  attributes => { 'AdminPhone' => Sensitive('%[3]s'), 'ServerAssetTag' => '1' },
}
`, h.dir, password, owner) + string(example)

	out, code := h.apply(site, "--debug")
	if code != 2 {
		t.Fatalf("%d\n%s", code, out)
	}
	for _, want := range []string{
		`Ilod_resource[/redfish/v1/Systems/1/]/properties: AssetTag: "" -> "rack 7", Boot/BootSourceOverrideEnabled: "Disabled" -> "Once", Boot/BootSourceOverrideTarget: "None" -> "Pxe"`,
		`Ilod_resource[/redfish/v1/Managers/1/NetworkProtocol/]/properties: changed [redacted] to [redacted]`,
		`Ilod_bios[owner]/attributes: AdminPhone: [redacted] -> [redacted], ServerAssetTag: "" -> "1"`,
		`Ilod_bios[owner]: this takes effect with the next reset of the server`,
		`Accounts/2/]: Triggered 'refresh' from 1 event`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if n := h.writes(); n != 5 {
		t.Errorf("%d writes", n)
	}
	for _, secret := range []string{"hidden-name", "4712-4711-4710", password} {
		if strings.Contains(out, secret) {
			t.Errorf("%q is shown:\n%s", secret, out)
		}
		h.nowhere(secret)
	}
	if body := h.outOfBand("GET", "/redfish/v1/systems/1/bios/settings/", ""); !strings.Contains(body, `"AdminPhone":"Owner \"4712-4711-4710\""`) {
		t.Errorf("the BIOS settings are %s", body)
	}
	h.calls()

	out, code = h.apply(site)
	if code != 0 || !regexp.MustCompile(`fact: \{model => ProLiant DL380 Gen10, serial => SIM0000001, power => On, health => OK, generation => iLO 5, firmware => 3\.05\}`).MatchString(out) {
		t.Fatalf("%d\n%s", code, out)
	}
	checks := 0
	for _, call := range h.calls() {
		switch call {
		case "tx run --needed --dry-run --json -":
			checks++
		case "agent status --json --timeout 2s", "get --offline /redfish/v1/ /redfish/v1/Systems/1/ --json --timeout 2s",
			"get /redfish/v1/ /redfish/v1/Systems/1/", "get --json /redfish/v1/ /redfish/v1/Systems/1/",
			"get --select Bios. --json @odata.id @odata.type":
		default:
			t.Errorf("%q is called where nothing is to do", call)
		}
	}
	if checks != 5 {
		t.Errorf("%d checks of 5 resources", checks)
	}

	h.outOfBand("PATCH", "/redfish/v1/Systems/1/", `{"Boot":{"BootSourceOverrideTarget":"Cd"}}`)
	const repair = `Boot/BootSourceOverrideTarget: "Cd" -> "Pxe"`
	before := h.writes()
	out, _ = h.apply(site, "--noop") // its exit code is 0 always
	if !strings.Contains(out, "]/properties: "+repair+" (noop)\n") || strings.Contains(out, "AssetTag") || h.writes() != before {
		t.Errorf("%d writes\n%s", h.writes()-before, out)
	}
	out, code = h.apply(site)
	if code != 2 || !strings.Contains(out, "]/properties: "+repair+"\n") || strings.Count(out, "->") != 1 || h.writes() != before+1 {
		t.Errorf("%d, %d writes\n%s", code, h.writes()-before, out)
	}

	// One resource is refused, and nothing of it sent; the iLO refuses another one;
	// the third wants a reset.
	if err := h.iLO.SetFaults(redfish.Faults{Answers: []redfish.Answer{
		{Method: "PATCH", Path: "/redfish/v1/Managers/1/NetworkProtocol", Status: 400, MessageID: "PropertyNotWritable", MessageArgs: []string{"HostName"}},
	}}); err != nil {
		t.Fatal(err)
	}
	before = h.writes()
	out, code = h.apply(fmt.Sprintf(`
ilod_resource { '/redfish/v1/Systems/1/':
  properties => { 'AssetTag' => 'half', 'Boot' => { 'BootSourceOverrideTarget' => Sensitive('%s') } },
}
ilod_resource { '/redfish/v1/Managers/1/NetworkProtocol/':
  properties => { 'HostName' => 'another' },
}
ilod_bios { 'tag':
  attributes => { 'ServerAssetTag' => '2' },
  reboot     => 'ForceRestart',
}
`, password), "--debug", "--trace")
	refused := `ilod: operation 1: PATCH /redfish/v1/Systems/1/: 400 Bad Request: Base.1.16.PropertyValueNotInList: ` +
		`/Boot/BootSourceOverrideTarget cannot be "[redacted]"; allowed: None, Cd, Hdd, Usb, Pxe, BiosSetup, UefiShell`
	failed := regexp.MustCompile(`change from HostName: "hidden-name" to HostName: "another" failed: ilod: .*TransactionRolledBack: .*PropertyNotWritable: `)
	if code != 6 || !strings.Contains(out, refused) || !failed.MatchString(out) || strings.Contains(out, password) || h.writes() != before+2 {
		t.Errorf("%d, %d writes\n%s", code, h.writes()-before, out)
	}
	if body := h.outOfBand("GET", "/redfish/v1/Systems/1/", ""); !strings.Contains(body, `"AssetTag":"rack 7"`) {
		t.Errorf("half of it is applied: %s", body)
	}
	if body := h.outOfBand("GET", "/redfish/v1/systems/1/bios/", ""); !strings.Contains(body, `"ServerAssetTag":"2"`) {
		t.Errorf("the server was not reset: %s", body)
	}
	if n := h.logins(); n != 1 {
		t.Errorf("%d logins", n)
	}
	h.nowhere(password)
}

// nowhere fails the test if a secret was given to a program as argument or in the
// environment, or kept by Puppet.
func (h *puppetHost) nowhere(secret string) {
	h.t.Helper()
	err := filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || filepath.Base(path) == "site.pp" {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), secret) {
			h.t.Errorf("%q is in %s", secret, path)
		}
		return err
	})
	if err != nil {
		h.t.Error(err)
	}
}

// TestPuppetFact: without an agent there is none, and the iLO is not asked.
func TestPuppetFact(t *testing.T) {
	needIntegration(t, "facter", "unshare")
	h := newPuppetHost(t)
	out, code := h.puppet("facter", "--custom-dir", h.modules+"/ilod/lib/facter", "ilod")
	if strings.TrimSpace(out) != "" || code != 0 || h.logins() != 0 {
		t.Errorf("%d, %d logins\n%s", code, h.logins(), out)
	}
}

// TestPuppetInstall: the run that installs ilod can use it.
func TestPuppetInstall(t *testing.T) {
	needIntegration(t, "puppet", "unshare")
	h := newPuppetHost(t)
	h.startAgent()
	if err := os.Rename(h.dir+"/bin/ilod", h.dir+"/package"); err != nil {
		t.Fatal(err)
	}
	h.environ = append(h.environ, "PATH="+h.dir+"/bin:/usr/bin:/bin")
	site := fmt.Sprintf("file { '%[1]s/bin/ilod': source => '%[1]s/package', mode => '0700', before => Ilod_resource['/redfish/v1/Systems/1/'] }\n", h.dir) +
		"ilod_resource { '/redfish/v1/Systems/1/': properties => { 'AssetTag' => 'new' } }\n"
	if out, code := h.apply(site); code != 2 || !strings.Contains(out, `AssetTag: "" -> "new"`) {
		t.Errorf("%d\n%s", code, out)
	}
}

// TestPuppetKeys: the class takes each key that the configuration of the package has.
func TestPuppetKeys(t *testing.T) {
	keys, types := []byte{}, []byte{}
	for into, names := range map[*[]byte][]string{&keys: {"ilod.toml"}, &types: {"puppet/types/config.pp", "puppet/types/role.pp"}} {
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			*into = append(*into, data...)
		}
	}
	all := regexp.MustCompile(`(?m)^#(?:([a-z-]+) = |\[([a-z]+))`).FindAllSubmatch(keys, -1)
	if len(all) < 30 {
		t.Fatalf("%d keys", len(all))
	}
	for _, key := range all {
		if name := string(key[1]) + string(key[2]); !strings.Contains(string(types), "Optional['"+name+"']") {
			t.Errorf("the class does not take %q", name)
		}
	}
}

// TestPuppetModule: the module's own tests, and its form.
func TestPuppetModule(t *testing.T) {
	needIntegration(t, "puppet", "rspec", "puppet-lint")
	h := newPuppetHost(t)
	module := h.modules + "/ilod"
	var metadata struct {
		Name, Version, Author, Summary, License, Source string
		Dependencies                                    []any
		Requirements                                    []struct{ Name string }
	}
	data, err := os.ReadFile("puppet/metadata.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &metadata); err != nil || metadata.Name != "ilod-ilod" || metadata.Dependencies == nil || len(metadata.Requirements) != 1 ||
		slices.Contains([]string{metadata.Version, metadata.Author, metadata.Summary, metadata.License, metadata.Source}, "") {
		t.Errorf("%v, %+v", err, metadata)
	}
	for _, command := range [][]string{
		{"puppet", "parser", "validate", module + "/manifests", module + "/types", module + "/examples"},
		{"puppet-lint", "--fail-on-warnings", "--relative", module},
		{"sh", "-c", "cd puppet && exec rspec"},
	} {
		if out, code := h.run(command[0], command[1:]...); code != 0 {
			t.Errorf("%v: %d\n%s", command, code, out)
		}
	}
}
