package packaging

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// cook is a host on which the stand-in of Chef runs.
type cook struct{ *host }

func newCook(t *testing.T, o redfish.Options) *cook {
	t.Helper()
	needIntegration(t, "ruby", "rubocop", "ohai")
	return &cook{newHost(t, o)}
}

// converge runs the stand-in and returns what it prints.
func (c *cook) converge(args ...string) (string, int) {
	c.t.Helper()
	return c.run("ruby", append([]string{"chef/spec/converge.rb"}, args...)...)
}

// recipe writes a recipe.
func (c *cook) recipe(text string) string {
	c.t.Helper()
	name := filepath.Join(c.dir, "recipe.rb")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return name
}

// TestChefStyle: all of the cookbook is Ruby without offences.
func TestChefStyle(t *testing.T) {
	c := newCook(t, redfish.Options{})
	files := 0
	err := filepath.WalkDir("chef", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && (strings.HasSuffix(path, ".rb") || filepath.Base(path) == "Berksfile") {
			files++
			if out, code := c.run("ruby", "-wc", path); code != 0 || out != "Syntax OK\n" {
				t.Errorf("%s: %d %s", path, code, out)
			}
		}
		return err
	})
	if err != nil || files < 10 {
		t.Errorf("%d files, %v", files, err)
	}
	if out, code := c.run("rubocop", "--cache", "false", "chef"); code != 0 {
		t.Errorf("%d %s", code, out)
	}
}

// TestChefResources: what a converge reports is what became of the iLO, and one that
// follows another changes nothing but what somebody else has changed.
func TestChefResources(t *testing.T) {
	c := newCook(t, redfish.Options{})
	c.startAgent()
	const recipe = "chef/test/fixtures/cookbooks/ilod_test/recipes/default.rb"
	const first = `* ilod_resource[/redfish/v1/Systems/1/] action configure
  - update /redfish/v1/Systems/1/
  -   set properties to {"AssetTag"=>"rack 7", "Boot"=>{"BootSourceOverrideEnabled"=>"Once", "BootSourceOverrideTarget"=>"Pxe"}} (was {"AssetTag"=>"", "Boot"=>{"BootSourceOverrideEnabled"=>"Disabled", "BootSourceOverrideTarget"=>"None"}})
* ilod_bios[for somebody] action configure
  - update for somebody
  -   set attributes to {"AdminName"=>"somebody", "BootMode"=>"Uefi"} (was {"AdminName"=>"", "BootMode"=>"Uefi"})
`
	const again = `* ilod_resource[/redfish/v1/Systems/1/] action configure
  (up to date)
* ilod_bios[for somebody] action configure
  (up to date)
`
	for _, step := range []struct {
		name, want, tag string
		args            []string
		before          func()
	}{
		{name: "why-run", args: []string{"--why-run"}, want: strings.ReplaceAll(first, "- update", "- Would update"), tag: ""},
		{name: "first", want: first, tag: "rack 7"},
		{name: "again", want: again, tag: "rack 7"},
		{name: "changed by another", tag: "rack 7",
			want: strings.Replace(again, "  (up to date)\n", `  - update /redfish/v1/Systems/1/
  -   set properties to {"AssetTag"=>"rack 7", "Boot"=>{"BootSourceOverrideEnabled"=>"Once", "BootSourceOverrideTarget"=>"Pxe"}} (was {"AssetTag"=>"another", "Boot"=>{"BootSourceOverrideEnabled"=>"Once", "BootSourceOverrideTarget"=>"Pxe"}})
`, 1),
			before: func() { c.outOfBand("PATCH", "/redfish/v1/Systems/1/", `{"AssetTag":"another"}`) }},
	} {
		if step.before != nil {
			step.before()
		}
		if out, code := c.converge(append(step.args, recipe)...); code != 0 || out != step.want {
			t.Errorf("%s: %d %s", step.name, code, out)
		}
		var system struct{ AssetTag string }
		if body := c.outOfBand("GET", "/redfish/v1/Systems/1/", ""); json.Unmarshal([]byte(body), &system) != nil || system.AssetTag != step.tag {
			t.Errorf("%s: %s", step.name, body)
		}
	}
	if n := c.logins(); n != 1 {
		t.Errorf("%d logins", n)
	}
}

// TestChefFlatBIOS: attributes that are properties.
func TestChefFlatBIOS(t *testing.T) {
	c := newCook(t, flatBIOS(t))
	c.startAgent()
	recipe := c.recipe("ilod_bios('a') { attributes 'AdminName' => 'somebody' }\n")
	for _, want := range []string{"  -   set attributes to {\"AdminName\"=>\"somebody\"} (was {\"AdminName\"=>\"\"})\n", "  (up to date)\n"} {
		if out, code := c.converge(recipe); code != 0 || !strings.HasSuffix(out, want) {
			t.Errorf("%d %s", code, out)
		}
	}
}

// TestChefRefusals: a resource says what ilod says, and a secret is in no output.
func TestChefRefusals(t *testing.T) {
	c := newCook(t, redfish.Options{})
	c.startAgent()
	for _, step := range []struct {
		recipe, want string
		fails        bool
	}{
		{recipe: `ilod_bios 'x'`, want: "attributes is a required property", fails: true},
		{recipe: `ilod_bios('x') { attributes 'on' }`, want: "Property attributes must be one of: Hash", fails: true},
		{recipe: `ilod_bios('x') { attributes NoSuch: 1 }`, want: "/Attributes/NoSuch is not a property here", fails: true},
		{recipe: `ilod_resource('Systems/1') { properties AssetTag: 'x' }`, want: "must match", fails: true},
		{recipe: `ilod_resource '/redfish/v1/Systems/1/'`, want: "no property is given", fails: true},
		{recipe: `ilod_resource('/redfish/v1/Systems/1/') { properties Oem: { X: 1 }; secrets Oem: { X: 2 } }`, want: "X is given twice", fails: true},
		{recipe: `ilod_resource('/redfish/v1/Systems/1/') { properties Boot: { BootSourceOverrideTarget: 'Nonsense' } }`, want: "allowed: None, Cd", fails: true},
		{recipe: `ilod_resource('/redfish/v1/Systems/1/') { properties AssetTag: 5 }`, want: "has the wrong type", fails: true},
		{recipe: `ilod_resource('/redfish/v1/Systems/1/') { secrets Boot: { BootSourceOverrideTarget: 'a "very"-secret' + 'z' * 100 } }`, want: `cannot be "******"`, fails: true},
		{recipe: `ilod_resource('/redfish/v1/AccountService/Accounts/1/') { secrets Password: 'very-secret' }`, want: "set secrets to (suppressed sensitive property)\n"},
		{recipe: `ilod_resource('/redfish/v1/Systems/1/') { secrets AssetTag: 'former-secret' }`, want: "set secrets to (suppressed sensitive property)\n"},
		{recipe: `ilod_resource('/redfish/v1/Systems/1/') { secrets AssetTag: 'very-secret' }`, want: "set secrets to (suppressed sensitive property)\n"},
		{recipe: `ilod_resource('/redfish/v1/Systems/1/') { secrets AssetTag: 'very-secret' }`, want: "(up to date)"},
	} {
		out, code := c.converge(c.recipe(step.recipe))
		if code != 0 != step.fails || !strings.Contains(out, step.want) || strings.Contains(out, "-secret") {
			t.Errorf("%s: %d %s", step.recipe, code, out)
		}
	}
	if n := c.logins(); n != 1 {
		t.Errorf("%d logins", n)
	}
}

// TestChefRecipe: the recipe installs, configures and starts the agent, and before that
// why-run says what resources would do.
func TestChefRecipe(t *testing.T) {
	c := newCook(t, redfish.Options{})
	for _, step := range []struct{ node, want string }{
		{`{}`, "package[ilod] {}\nservice[ilod] {\"action\":[[\"enable\",\"start\"]]}\n"},
		{`{"platform_family":"debian","ilod":{"package_source":"/x.deb"}}`, "dpkg_package[ilod] {\"source\":[\"/x.deb\"]}\n"},
		{`{"platform_family":"rhel","ilod":{"package_source":"/x.rpm"}}`, "rpm_package[ilod] {\"source\":[\"/x.rpm\"]}\n"},
		{`{"ilod":{"configuration":"channels = 1"}}`, `file[/etc/ilod/ilod.toml] {"content":["channels = 1"],"mode":["0644"],"notifies":["restart","service[ilod]"]}`},
	} {
		if out, code := c.converge("--node", step.node, "chef/recipes/default.rb"); code != 0 || !strings.Contains(out, step.want) {
			t.Errorf("%s: %d %s", step.node, code, out)
		}
	}
	// Of a PATH with ruby alone.
	ruby, code := c.run("ruby", "-e", "print RbConfig.ruby")
	if err := os.Mkdir(c.dir+"/bin", 0o700); err != nil || code != 0 {
		t.Fatal(err, ruby)
	}
	c.environ = append(c.environ, "PATH="+c.dir+"/bin")
	const recipe = "chef/test/fixtures/cookbooks/ilod_test/recipes/default.rb"
	if out, code := c.run(ruby, "chef/spec/converge.rb", "--why-run", recipe); code != 0 || !strings.Contains(out, "- Would create for somebody") {
		t.Errorf("%d %s", code, out)
	}
	if out, code := c.run(ruby, "chef/spec/converge.rb", recipe); code == 0 || !strings.Contains(out, "No such file or directory - ilod") {
		t.Errorf("%d %s", code, out)
	}
}

// TestChefOhai: the plugin has the inventory of the cache, in the real Ohai, and asks
// nobody.
func TestChefOhai(t *testing.T) {
	c := newCook(t, redfish.Options{})
	if out, code := c.run("ohai", "-l", "fatal", "-d", "chef/ohai", "ilod_inventory"); code == 0 || c.logins() != 0 {
		t.Errorf("%d %s", code, out)
	}
	if out, code := c.run("ilod", "health"); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	out, code := c.run("ohai", "-l", "fatal", "-d", "chef/ohai", "ilod_inventory")
	var got struct{ System struct{ SerialNumber string } }
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || got.System.SerialNumber != "SIM0000001" {
		t.Errorf("%v, %d %s", err, code, out)
	}
	if n := c.logins(); n != 1 {
		t.Errorf("%d logins", n)
	}
}
