package secret_test

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/secret"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// looksSecret matches more than secrets, so that nothing is missed.
var looksSecret = regexp.MustCompile(`(?i)passw|passphr|phrase|passc|pwd|[^y]pass$|secret|token|credential|communit|keys?$|keystr|keytab|licen[cs]e(key|string|number)?$|psk|authp(w|ass)|pw$|\bpin$|privatek|authorization$`)

// harmless are names that look secret, and why their values are not.
var harmless = map[string]string{
	"ciphers": "a list of algorithms",

	"encryptionbootpasswordset": "whether there is one", "encryptioncryptoofficerpasswordset": "whether there is one",
	"encryptionuserpasswordset": "whether there is one", "subscriptionlicense": "a licence's name",
	"enforcepasswordcomplexity": "a rule", "minpasswordlength": "a rule", "maxpasswordlength": "a rule", "passwordchangerequired": "a rule",
	"passphrasecapable": "an ability", "passphraseenabled": "a switch", "passphraselocklimit": "a rule", "passphrasetype": "a kind",
	"passwordname": "which password an action is about",

	"license": "an object, or a licence's name", "licensestring": "a licence's name", "sshhostkey": "the public half of a key",
	"wwwpass": "an address of HPE's", "pass": "a test's result",
	"creditbasedshaper": "an ability of a network adapter", "deleteunusedencryptionkeys": "an action's name",
	"hotkeys": "combinations of keys on a keyboard", "lockkey": "a combination of keys on a keyboard", "keys": "a link", "langkey": "names a text of the web pages",
	"managerfirmwareversionpass": "a version", "persistentmousekeyboardenabled": "a switch", "uefikeywordname": "a name in the BIOS",
	"hpepassportuserid": "a user's name", "macsecuritybypasscapability": "an ability", "uefishellphysicalpresencekeystroke": "a switch",
}

// realTrees are the captured trees of iLO 5, 6 and 7.
func realTrees(t *testing.T) []*tree.Tree {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(tree.Testdata(t), "trees", "*.jsonl.gz"))
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	all := make([]*tree.Tree, len(files))
	for i, file := range files {
		if all[i], err = tree.Load(file); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// names calls f with each property of a body, and with each that a schema or an
// attribute registry in it describes.
func names(v any, f func(name string, v any)) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if _, registry := inner.(map[string]any); registry && (name == "Messages" || strings.HasPrefix(name, "enum")) {
				continue // the names in it are those of messages, or values
			}
			f(name, inner)
			if attribute, ok := inner.(string); ok && name == "AttributeName" {
				f(attribute, nil)
			}
			names(inner, f)
		}
	case []any:
		for _, inner := range v {
			names(inner, f)
		}
	}
}

// TestWhatLooksSecretIs: each property of the real trees, their schemas and
// registries that looks secret is one, or it is known why not.
func TestWhatLooksSecretIs(t *testing.T) {
	found := map[string]bool{}
	for _, tr := range realTrees(t) {
		for _, r := range tr.Resources() {
			var body any
			if json.Unmarshal(r.Body, &body) != nil {
				continue
			}
			names(body, func(name string, v any) {
				if strings.ContainsAny(name, "@#./ ") || !looksSecret.MatchString(name) {
					return
				}
				if _, isBool := v.(bool); isBool {
					return
				}
				found[strings.ToLower(name)] = found[strings.ToLower(name)] || secret.Property(name)
			})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		why := harmless[name]
		if !found[name] && why == "" {
			t.Errorf("%s looks secret and is not on the list", name)
		}
		if found[name] && why != "" {
			t.Errorf("%s is on the list, and is %s", name, why)
		}
	}
	// What a look over the schemas by hand has found.
	for _, name := range []string{
		"Password", "OldPassword", "NewPassword", "DefaultPassword", "ProxyPassword", "RemotePassword", "WebProxyPassword", "DirectoryAdminPassword",
		"ServerConfigLockPassword", "NewServerConfigLockPassword", "ChallengePassword", "AlertMailSMTPAuthPw", "HpePassportPassword", "TestUserPassword",
		"AuthPassphrase", "PrivacyPassphrase", "EncryptionPhrase", "CHAPSecret", "MutualCHAPSecret", "iSCSIChapSecret", "iSCSIReverseChapSecret",
		"ActivationKey", "LicenseKey", "Key", "KeyString", "ReadCommunities", "TrapCommunities", "TrapCommunity", "ClientSecret", "EncryptionKey",
		"CurrentEncryptionKey", "PrivateKey", "HttpHeaders", "X-Auth-Token", "Authorization",
	} {
		if !secret.Property(name) || !secret.Property(strings.ToUpper(name)) {
			t.Errorf("%s is not on the list", name)
		}
	}
}

// TestValuesOfRealTreesAreNotAllSecret: what people set most is not hidden.
func TestValuesOfRealTreesAreNotAllSecret(t *testing.T) {
	for _, name := range []string{
		"AssetTag", "HostName", "StaticNTPServers", "BootSourceOverrideTarget", "SNMPv3EngineID", "CertificateString", "Id", "Name", "MessageId",
		"Password@Redfish.AllowablePattern", "#SecureBoot.ResetKeys", "TpmByPassFlag", "KeyUsage",
		"PublicKey", "SSHPublicKey", "SSHHostKey", "LangKey", "LockKey",
	} {
		if secret.Property(name) {
			t.Errorf("%s is secret", name)
		}
	}
}

// TestSecretValues: rules about secrets, and objects, are none themselves.
func TestSecretValues(t *testing.T) {
	for text, want := range map[string]bool{
		`"x"`: true, `null`: true, `7`: true, `["public",""]`: true, `[]`: true, `true`: false, `{"a":"b"}`: false, `[{"a":"b"}]`: false,
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if secret.Value("Password", v) != want {
			t.Errorf("%s: %v", text, !want)
		}
		if secret.Value("AssetTag", v) {
			t.Errorf("an asset tag of %s", text)
		}
	}
	if !secret.Value("HttpHeaders", []any{map[string]any{"Authorization": "x"}}) {
		t.Error("headers")
	}
}
