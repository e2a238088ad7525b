package packaging

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// windowsPackages builds msi and zip of a version; settings are of the environment,
// such as those for signatures.
func windowsPackages(t *testing.T, version string, settings ...string) (msi, zip string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	cmd := exec.Command("windows/build.sh", version)
	cmd.Env = append(append(os.Environ(), "OUT="+dir), settings...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, out)
	}
	name := filepath.Join(dir, "ilod-"+strings.TrimPrefix(version, "v"))
	return name + "-x64.msi", name + "-windows-amd64.zip"
}

// What the installer leaves in the registry.
const (
	serviceKey     = `HKLM\System\CurrentControlSet\Services\ilod`
	eventSourceKey = `HKLM\System\CurrentControlSet\Services\EventLog\Application\ilod`
	environmentKey = `HKLM\System\CurrentControlSet\Control\Session Manager\Environment`
)

// TestWindowsInstaller installs, uses, upgrades and removes the msi. The service is
// there, running on the stand-in for HPE's library, and no session is left when it
// stops.
func TestWindowsInstaller(t *testing.T) {
	needWine(t, "wixl", "msibuild", "zip")
	old, _ := windowsPackages(t, "1.2.3")
	newer, _ := windowsPackages(t, "v1.3.0+4+gabcdef0")
	_, library := exe(t)
	c := newComputer(t, redfish.Options{Generation: 5})
	run(t, "cp", old, c.drive+"/old.msi")
	run(t, "cp", newer, c.drive+"/newer.msi")
	hpe := c.drive + "/Program Files/Hewlett Packard Enterprise/RESTful Interface Tool"
	run(t, "mkdir", "-p", hpe)
	run(t, "cp", library, hpe)
	for _, variable := range c.environ {
		if address, is := strings.CutPrefix(variable, "ILOD_TEST_CHIF="); is { // a service has no such environment
			c.must("reg", "add", `HKLM\Software\ilod`, "/v", "ILOD_TEST_CHIF", "/d", address, "/f")
		}
	}
	files := func() []string {
		var names []string
		for _, dir := range []string{"/Program Files/ilod", "/Program Files/WindowsPowerShell"} {
			names = append(names, strings.Fields(run(t, "sh", "-c", `[ ! -e "$1" ] || { cd "$1" && find . -type f; }`, "sh", c.drive+dir))...)
		}
		slices.Sort(names)
		return names
	}
	const program = `C:\Program Files\ilod\ilod.exe`
	serves := func(logins int) {
		t.Helper()
		said := c.must(program, "service", "status")
		for strings.HasPrefix(said, "starting, process ") { // neither the msi nor Wine's 'net start' waits
			time.Sleep(50 * time.Millisecond)
			said = c.must(program, "service", "status")
		}
		if !strings.HasPrefix(said, "running, process ") {
			t.Errorf("status: %s", said)
		}
		if said := c.must(program, "get", "/redfish/v1/Systems/1/", "--fresh"); !strings.Contains(said, "ProLiant") {
			t.Errorf("get: %s", said)
		}
		if n, left := c.iLO.Stats().Logins, c.left(); n != logins || left != 1 {
			t.Errorf("%d logins, %d sessions; want %d and 1", n, left, logins)
		}
	}
	none := func(when string) {
		t.Helper()
		if left := c.left(); left != 0 {
			t.Errorf("%s: %d sessions are left", when, left)
		}
	}

	c.must("msiexec", "/i", `C:\old.msi`, "/qn")
	want := []string{"./COMMANDS.md", "./CONFIGURATION.md", "./LICENSE.txt", "./Modules/Ilod/Ilod.psd1", "./Modules/Ilod/Ilod.psm1",
		"./README.md", "./SESSIONS.md", "./ilod.exe", "./ilod.toml.example", "./notices.txt"}
	if got := files(); !slices.Equal(got, want) {
		t.Errorf("installed: %q, want %q", got, want)
	}
	service := c.must("reg", "query", serviceKey)
	for _, text := range []string{`"C:\Program Files\ilod\ilod.exe" service run`, "LocalSystem", "PreshutdownTimeout"} {
		if !strings.Contains(service, text) {
			t.Errorf("the service has no %s: %s", text, service)
		}
	}
	c.must("reg", "query", eventSourceKey)
	if said := c.must("reg", "query", environmentKey, "/v", "PATH"); !strings.Contains(said, `;C:\Program Files\ilod\`) {
		t.Errorf("PATH: %s", said)
	}
	serves(1)
	c.must("net", "stop", "ilod")
	c.must(program, "service", "stop") // Wine's 'net stop' does not wait
	none("stopped")
	c.must("net", "start", "ilod")
	serves(2)

	c.must("msiexec", "/i", `C:\newer.msi`, "/qn")
	none("upgraded")
	if got := files(); !slices.Equal(got, want) {
		t.Errorf("upgraded: %q, want %q", got, want)
	}
	serves(3)
	if said, code := c.run("msiexec", "/i", `C:\old.msi`, "/qn"); code == 0 {
		t.Errorf("an older version is installed: %s", said)
	}
	serves(3)

	c.must("msiexec", "/x", `C:\newer.msi`, "/qn")
	none("removed")
	if got := files(); got != nil {
		t.Errorf("left: %q", got)
	}
	for _, key := range []string{serviceKey, eventSourceKey} {
		if said, code := c.run("reg", "query", key); code == 0 {
			t.Errorf("left: %s", said)
		}
	}
	if said := c.must("reg", "query", environmentKey, "/v", "PATH"); strings.Contains(said, "ilod") {
		t.Errorf("left in PATH: %s", said)
	}
}

// TestWindowsSignature: program and msi are signed, also the program in the msi, and
// one flipped byte makes that void.
func TestWindowsSignature(t *testing.T) {
	needWine(t, "wixl", "msibuild", "msiextract", "zip", "unzip", "osslsigncode")
	dir := t.TempDir()
	authority, certificate, key := signer(t, dir)
	verify := func(file string) (string, error) {
		out, err := exec.Command("osslsigncode", "verify", "-CAfile", authority, "-in", file).CombinedOutput()
		return string(out), err
	}
	unsigned, _ := windowsPackages(t, "1.2.3")
	if out, err := verify(unsigned); err == nil {
		t.Errorf("without signature: %s", out)
	}
	msi, zip := windowsPackages(t, "1.2.3", "SIGN_CERT="+certificate, "SIGN_KEY="+key)
	run(t, "msiextract", "-C", filepath.Join(dir, "msi"), msi)
	run(t, "unzip", "-q", "-d", filepath.Join(dir, "zip"), zip)
	half := exec.Command("windows/build.sh", "1.2.3")
	half.Env = append(os.Environ(), "OUT="+filepath.Join(dir, "half"), "SIGN_KEY="+key)
	if out, err := half.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("needs both")) {
		t.Errorf("with a key alone: %v, %s", err, out)
	}
	programs := strings.Fields(run(t, "find", dir, "-name", "ilod.exe", "-printf", "%P\n"))
	if len(programs) != 2 {
		t.Fatalf("programs: %q", programs)
	}
	for _, file := range []string{msi, filepath.Join(dir, programs[0]), filepath.Join(dir, programs[1])} {
		if out, err := verify(file); err != nil {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
		content := []byte(read(t, file))
		content[len(content)/2] ^= 1
		flipped := filepath.Join(dir, "flipped"+filepath.Ext(file))
		put(t, flipped, string(content))
		if out, err := verify(flipped); err == nil {
			t.Errorf("%s with a flipped byte: %s", file, out)
		}
	}
}

// signer makes an authority, and a certificate of it for programs.
func signer(t *testing.T, dir string) (authority, certificate, key string) {
	t.Helper()
	write := func(name, kind string, der []byte) string {
		put(t, filepath.Join(dir, name), string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
		return filepath.Join(dir, name)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "ilod"}, NotBefore: template.NotBefore, NotAfter: template.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}}
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, authorityKey.Public(), authorityKey)
	if err != nil {
		t.Fatal(err)
	}
	authority = write("authority.pem", "CERTIFICATE", der)
	if der, err = x509.CreateCertificate(rand.Reader, leaf, template, leafKey.Public(), authorityKey); err != nil {
		t.Fatal(err)
	}
	certificate = write("certificate.pem", "CERTIFICATE", der)
	if der, err = x509.MarshalPKCS8PrivateKey(leafKey); err != nil {
		t.Fatal(err)
	}
	return authority, certificate, write("key.pem", "PRIVATE KEY", der)
}

// TestWindowsTexts: what Windows reads has its ends of lines, and the example of a
// configuration has the defaults.
func TestWindowsTexts(t *testing.T) {
	needWine(t, "wixl", "msibuild", "zip", "unzip")
	_, zip := windowsPackages(t, "1.2.3")
	dir := t.TempDir()
	run(t, "unzip", "-q", "-d", dir, zip)
	dir = filepath.Join(dir, "ilod-1.2.3-windows-amd64")
	for _, name := range strings.Fields(run(t, "find", dir, "-type", "f", "-not", "-name", "*.exe")) {
		text := []byte(read(t, name))
		if n := bytes.Count(text, []byte("\r\n")); n == 0 || n != bytes.Count(text, []byte("\n")) || n != bytes.Count(text, []byte("\r")) {
			t.Errorf("%s: not all lines end with CRLF", name)
		}
	}
	c := newComputer(t, redfish.Options{Generation: 5})
	run(t, "cp", dir+"/ilod.exe", c.drive)
	put(t, c.drive+"/ilod.toml", regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(read(t, dir+"/ilod.toml.example"), "$1"))
	shown := func(args ...string) string {
		return strings.NewReplacer("users = []\n", "", "groups = []\n", "").Replace(c.must(`C:\ilod.exe`, append(args, "config", "show")...))
	}
	if got, want := shown("--config", `C:\ilod.toml`), shown(); got != want {
		t.Errorf("the example says\n%s\nand the defaults are\n%s", got, want)
	}
}

// TestWindowsModule: the PowerShell module exports its functions, and ilod answers
// the commands that they run as they expect. There is no PowerShell to run them.
func TestWindowsModule(t *testing.T) {
	needWine(t)
	functions := []string{"Get-IlodResource", "Set-IlodResource", "Get-IlodHealth", "Invoke-IlodBatch"}
	list := "@('" + strings.Join(functions, "', '") + "')"
	module, manifest := read(t, "windows/Ilod/Ilod.psm1"), read(t, "windows/Ilod/Ilod.psd1")
	if !strings.Contains(manifest, "FunctionsToExport = "+list+"\n") || !strings.HasSuffix(module, "Export-ModuleMember -Function "+list+"\n") {
		t.Errorf("module and manifest do not both export %s", list)
	}
	for _, function := range functions {
		if strings.Count(module, "\nfunction "+function+" {\n") != 1 {
			t.Errorf("the module has no %s", function)
		}
	}

	exe, library := exe(t)
	c := newComputer(t, redfish.Options{Generation: 5})
	run(t, "cp", exe, c.drive+"/ilod.exe")
	run(t, "cp", library, c.drive)
	put(t, c.drive+"/run.json", `{"operations":[{"method":"PATCH","path":"/redfish/v1/Systems/1/","body":{"AssetTag":"rack 7"}}]}`)
	put(t, c.drive+"/batch.txt", "select Bios.\r\nget BootMode\r\nget /redfish/v1/Systems/1/\r\nget /redfish/v1/none/\r\n")
	for _, command := range []struct {
		words []string
		code  int
		texts []string // one after the other, in JSON with no space
	}{
		{[]string{"get", "--json", "/redfish/v1/Systems/1/"}, 0, []string{`"AssetTag":""`}},
		{[]string{"get", "--json", "--fresh", "--select=Memory.", "--filter=CapacityMiB=32768", "DeviceLocator"}, 0, []string{`{"DeviceLocator":"PROC 1 DIMM 1"}`}},
		{[]string{"get", "--json", "/redfish/v1/none/"}, 63, []string{`{"error":{"code":63,"name":"ILO_RESPONSE","message":"`}},
		{[]string{"tx", "run", "--needed", "--dry-run", "--json", `C:\run.json`}, 0, []string{`{"changes":[{"number":1,"path":"/redfish/v1/Systems/1/","property":"/AssetTag","from":"","to":"rack 7",`}},
		{[]string{"tx", "run", "--needed", "--json", `C:\run.json`}, 0, []string{`"result":"committed"`}},
		{[]string{"tx", "run", "--needed", "--dry-run", "--json", `C:\run.json`}, 0, []string{`{"changes":[]}`}},
		{[]string{"health", "--json"}, 0, []string{`"parts":[{"name":"system","state":"OK"`}},
		{[]string{"--jq=tojson", "--raw", "batch", `C:\batch.txt`}, 63, []string{`{"BootMode":"Uefi"}`, `"AssetTag":"rack 7"`, `{"error":{"code":63,"name":"ILO_RESPONSE","message":"line 4: `}},
	} {
		said, code := c.run(`C:\ilod.exe`, command.words...)
		if code != command.code {
			t.Errorf("%q: exit status %d", command.words, code)
		}
		if slices.Contains(command.words, "batch") {
			for line := range strings.Lines(said) {
				if !json.Valid([]byte(line)) {
					t.Errorf("%q prints %s", command.words, line)
				}
			}
		}
		rest := strings.NewReplacer("\n", "", "  ", "", `": `, `":`).Replace(said)
		for _, text := range command.texts {
			var found bool
			if _, rest, found = strings.Cut(rest, text); !found {
				t.Errorf("%q does not print %s: %s", command.words, text, said)
			}
		}
	}
	if left := c.left(); left != 0 {
		t.Errorf("%d sessions are left", left)
	}
}
