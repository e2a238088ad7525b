package schema_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// keys is what a check says, short.
func keys(violations []schema.Violation) (all []string) {
	for _, v := range violations {
		all = append(all, v.Key+" "+v.Pointer)
	}
	return all
}

// TestDocumentedWrites checks writes that HPE's documentation shows: an iLO takes
// them.
func TestDocumentedWrites(t *testing.T) {
	writes := []struct{ method, path, body string }{
		{"PATCH", "/redfish/v1/Systems/1/", `{"AssetTag":"rack 7"}`},
		{"PATCH", "/redfish/v1/Systems/1", `{"Boot":{"BootSourceOverrideTarget":"Pxe","BootSourceOverrideEnabled":"Once"}}`},
		{"PATCH", "/redfish/v1/Systems/1", `{"Boot":{"BootSourceOverrideMode":"UEFI"}}`},
		{"PATCH", "/redfish/v1/Systems/1", `{"Boot":{"BootOrder":["Boot0003","Boot0001"]},"Oem":{"Hpe":{"PowerRegulatorMode":"Dynamic"}}}`},
		{"PATCH", "/redfish/v1/Systems/1", `{"Oem":{"Hpe":{"PowerAutoOn":"Restore","PowerOnDelay":"Minimum","ServerFQDN":"a.example"}},"HostName":"a"}`},
		{"PATCH", "/redfish/v1/Systems/1/SecureBoot", `{"SecureBootEnable":true}`},
		{"PATCH", "/redfish/v1/Chassis/1", `{"Oem":{"Hpe":{"SmartStorageBattery":[{}]}}}`},
		{"PATCH", "/redfish/v1/Chassis/1/Power", `{"PowerControl":[{"PowerLimit":{"LimitInWatts":500}}]}`},
		{"PATCH", "/redfish/v1/Chassis/1/Power", `{"PowerControl":[{"PowerLimit":{"LimitInWatts":null}}]}`},
		{"PATCH", "/redfish/v1/Managers/1", `{"Oem":{"Hpe":{"RequiredLoginForiLORBSU":true,"IdleConnectionTimeoutMinutes":15}}}`},
		{"PATCH", "/redfish/v1/Managers/1/NetworkProtocol", `{"SSH":{"ProtocolEnabled":true,"Port":22},"SNMP":{"ProtocolEnabled":false},"IPMI":{"ProtocolEnabled":false}}`},
		{"PATCH", "/redfish/v1/Managers/1/NetworkProtocol", `{"Oem":{"Hpe":{"AlertMailEnabled":true,"AlertMailSMTPServer":"mail.example","RemoteSyslogEnabled":true,"RemoteSyslogServer":"log.example","RemoteSyslogPort":514}}}`},
		{"PATCH", "/redfish/v1/Managers/1/EthernetInterfaces/1", `{"DHCPv4":{"DHCPEnabled":false},"IPv4Addresses":[{"Address":"192.0.2.9","SubnetMask":"255.255.255.0","Gateway":"192.0.2.1"}]}`},
		{"PATCH", "/redfish/v1/Managers/1/EthernetInterfaces/1", `{"Oem":{"Hpe":{"HostName":"ilo-a","DomainName":"example","IPv4":{"DNSServers":["192.0.2.53","0.0.0.0","0.0.0.0"]}}}}`},
		{"PATCH", "/redfish/v1/Managers/1/EthernetInterfaces/1", `{"InterfaceEnabled":true,"VLAN":{"VLANEnable":true,"VLANId":7},"Oem":{"Hpe":{"SharedNetworkPortOptions":{"Port":1}}}}`},
		{"PATCH", "/redfish/v1/Managers/1/DateTime", `{"TimeZone":{"Index":13},"PropagateTimeToHost":true,"StaticNTPServers":["ntp.example",""]}`},
		{"PATCH", "/redfish/v1/Managers/1/SnmpService", `{"AlertsEnabled":true,"Contact":"me","Location":"here","ReadCommunities":["public","",""]}`},
		{"PATCH", "/redfish/v1/Managers/1/SecurityService", `{"SecurityState":"FIPS"}`},
		{"PATCH", "/redfish/v1/Managers/1/SecurityService", `{"LoginSecurityBanner":{"IsEnabled":true,"SecurityMessage":"Go away"}}`},
		{"PATCH", "/redfish/v1/Managers/1/VirtualMedia/2", `{"Image":"http://images.example/a.iso","Oem":{"Hpe":{"BootOnNextServerReset":true}}}`},
		{"PATCH", "/redfish/v1/Managers/1/VirtualMedia/2", `{"Image":null}`},
		{"PATCH", "/redfish/v1/AccountService", `{"Oem":{"Hpe":{"AuthFailureDelayTimeSeconds":10,"MinPasswordLength":8,"AuthFailureLoggingThreshold":1,"EnforcePasswordComplexity":true}}}`},
		{"PATCH", "/redfish/v1/AccountService", `{"ActiveDirectory":{"ServiceEnabled":true,"ServiceAddresses":["ad.example:636"]},"LDAP":{"LDAPService":{"SearchSettings":{"BaseDistinguishedNames":["dc=example"]}}}}`},
		{"PATCH", "/redfish/v1/AccountService/Accounts/1", `{"Password":"Secret-99"}`},
		{"PATCH", "/redfish/v1/AccountService/Accounts/1", `{"RoleId":"Operator"}`},
		{"PATCH", "/redfish/v1/AccountService/Accounts/1", `{"UserName":"a","Oem":{"Hpe":{"LoginName":"a","Privileges":{"RemoteConsolePriv":true,"iLOConfigPriv":false}}}}`},
		{"PATCH", "/redfish/v1/systems/1/bios/settings/", `{"Attributes":{"AdminName":"Me","BootOrderPolicy":"RetryIndefinitely"}}`},
		{"PATCH", "/redfish/v1/systems/1/bios/settings/", `{"Attributes":{"AdminName":null,"WorkloadProfile":"Custom"}}`},
		{"PATCH", "/redfish/v1/systems/1/bios/oem/hpe/boot/settings", `{"PersistentBootConfigOrder":["HD.EmbRAID.1.2"]}`},
		{"PATCH", "/redfish/v1/systems/1/bios/oem/hpe/boot/settings", `{"DefaultBootOrder":["UefiShell","Cd","iPXE"]}`},
		{"PUT", "/redfish/v1/systems/1/smartstorageconfig/settings", `{"DataGuard":"Disabled","LogicalDrives":[{"Raid":"Raid1","DataDrives":["1I:1:1","1I:1:2"],"LogicalDriveName":"a"}]}`},

		{"POST", "/redfish/v1/SessionService/Sessions", `{"UserName":"a","Password":"b"}`},
		{"POST", "/redfish/v1/SessionService/Sessions", `{"UserName":"a","Password":"b","Oem":{"Hpe":{"LoginName":"a"}}}`},
		{"POST", "/redfish/v1/AccountService/Accounts", `{"UserName":"a","Password":"Secret-99","Oem":{"Hpe":{"LoginName":"a","ServiceAccount":false,"Privileges":{"LoginPriv":true}}}}`},
		{"POST", "/redfish/v1/AccountService/Accounts", `{"UserName":"a","Password":"Secret-99","RoleId":"ReadOnly"}`},
		{"POST", "/redfish/v1/EventService/Subscriptions", `{"Destination":"https://a.example/","EventTypes":["Alert"],"Context":"c","Protocol":"Redfish","HttpHeaders":[{"X-A":"b"}]}`},
		{"POST", "/redfish/v1/EventService/Subscriptions", `{"Destination":"https://a.example/","RegistryPrefixes":["iLOEvents"],"ResourceTypes":["Chassis"],"SubordinateResources":true,"OriginResources":[],"DeliveryRetryPolicy":"RetryForever","SubscriptionType":"RedfishEvent","EventFormatType":"Event","Oem":{"Hpe":{"DeliveryRetryIntervalInSeconds":30}}}`},
		{"POST", "/redfish/v1/Managers/1/LicenseService", `{"LicenseKey":"AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"}`},
		{"POST", "/redfish/v1/Managers/1/FederationGroups", `{"Name":"g","Key":"12345678","Privileges":{"LoginPriv":true}}`},
		{"POST", "/redfish/v1/Managers/1/SnmpService/SNMPAlertDestinations", `{"AlertDestination":"a.example","SNMPAlertProtocol":"SNMPv1Trap","TrapCommunity":"public"}`},
		{"POST", "/redfish/v1/UpdateService/InstallSets", `{"Name":"s","Description":"d","IsRecovery":false,"Sequence":[{"Name":"1","Command":"ApplyUpdate","Filename":"a.fwpkg","UpdatableBy":["Bmc"]}]}`},
		{"POST", "/redfish/v1/UpdateService/UpdateTaskQueue", `{"Name":"t","Command":"ApplyUpdate","Filename":"a.fwpkg","UpdatableBy":["Bmc"],"TPMOverride":true}`},
		{"POST", "/redfish/v1/UpdateService/MaintenanceWindows", `{"Name":"w","Description":"d","StartAfter":"2030-01-01T00:00:00Z","Expire":"2030-01-02T00:00:00Z"}`},
		{"POST", "/redfish/v1/Systems/1/SecureBoot/SecureBootDatabases/db/Certificates", `{"CertificateType":"PEM","CertificateString":"-----BEGIN CERTIFICATE-----"}`},
		{"POST", "/redfish/v1/Systems/1/Storage/DE00A000/Volumes", `{"RAIDType":"RAID1","CapacityBytes":1073741824,"DisplayName":"a","Links":{"Drives":[{"@odata.id":"/redfish/v1/Systems/1/Storage/DE00A000/Drives/2"}]}}`},

		{"POST", "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset/", `{"ResetType":"GracefulRestart"}`},
		{"POST", "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset", `{"Action":"ComputerSystem.Reset","ResetType":"ForceOff"}`},
		{"POST", "/redfish/v1/Managers/1/Actions/Manager.Reset/", ``},
		{"POST", "/redfish/v1/Managers/1/Actions/Manager.Reset/", `{}`},
		{"POST", "/redfish/v1/systems/1/bios/settings/Actions/Bios.ResetBios/", `{}`},
		{"POST", "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate/", `{"ImageURI":"https://a.example/a.bin"}`},
		{"POST", "/redfish/v1/EventService/Actions/EventService.SubmitTestEvent", `{"EventType":"Alert","EventID":"1","Message":"m","MessageId":"iLOEvents.0.9.ResourceStatusChanged","MessageArgs":["a"],"Severity":"OK","EventTimestamp":"2020-01-01T00:00:00Z","OriginOfCondition":"/redfish/v1/Systems/1"}`},
	}
	for name, tr := range trees(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := schema.NewChecker(frozen(t, tr))
			n := 0
			for _, w := range writes {
				if _, ok := tr.Lookup(w.path); !ok && !strings.Contains(w.path, "/Actions/") {
					continue // not every server has everything
				}
				n++
				violations, err := c.Check(t.Context(), schema.Write{Method: w.method, Path: w.path, Body: []byte(w.body)})
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range violations {
					t.Errorf("%s %s %s: %s: %s", w.method, w.path, w.body, v.Key, v.Text)
				}
			}
			if n < 40 {
				t.Errorf("only %d of %d writes fit this server", n, len(writes))
			}
		})
	}
}

func TestViolations(t *testing.T) {
	const (
		system   = "/redfish/v1/Systems/1"
		settings = "/redfish/v1/systems/1/bios/settings/"
		volumes  = "/redfish/v1/Systems/1/Storage/DE00A000/Volumes"

		certificates = "/redfish/v1/Systems/1/SecureBoot/SecureBootDatabases/db/Certificates"
	)
	tests := []struct {
		name, method, path, body string
		want                     []string
	}{
		{"unknown", "PATCH", system, `{"AssetTagg":"a","Boot":{"BootSourceOverideTarget":"Cd"}}`, []string{"PropertyUnknown /AssetTagg", "PropertyUnknown /Boot/BootSourceOverideTarget"}},
		{"unknown in a file that another refers to", "PATCH", system, `{"Oem":{"Hpe":{"PowerAutoOff":"x"}}}`, []string{"PropertyUnknown /Oem/Hpe/PowerAutoOff"}},
		{"read-only", "PATCH", system, `{"PowerState":"Off","Status":{"Health":"OK"}}`, []string{"PropertyNotWritable /PowerState", "PropertyNotWritable /Status/Health"}},
		{"type", "PATCH", system, `{"AssetTag":7,"Boot":[]}`, []string{"PropertyValueTypeError /AssetTag", "PropertyValueTypeError /Boot"}},
		{"not allowed by an annotation", "PATCH", system, `{"Boot":{"BootSourceOverrideTarget":"pxe"}}`, []string{"PropertyValueNotInList /Boot/BootSourceOverrideTarget"}},
		{"not allowed by the schema", "PATCH", system, `{"Boot":{"BootSourceOverrideEnabled":"Always"}}`, []string{"PropertyValueNotInList /Boot/BootSourceOverrideEnabled"}},
		{"not allowed by Oem's schema", "PATCH", system, `{"Oem":{"Hpe":{"PowerRegulatorMode":"Fast"}}}`, []string{"PropertyValueNotInList /Oem/Hpe/PowerRegulatorMode"}},
		{"out of range", "PATCH", "/redfish/v1/Managers/1/EthernetInterfaces/1", `{"VLAN":{"VLANId":70000}}`, []string{"PropertyValueOutOfRange /VLAN/VLANId"}},
		{"in an array", "PATCH", "/redfish/v1/Chassis/1/Power", `{"PowerControl":[{"PowerLimit":{"LimitInWatts":"many"}}]}`, []string{"PropertyValueTypeError /PowerControl/0/PowerLimit/LimitInWatts"}},
		{"everything read-only stays so in a PUT", "PUT", system, `{"PowerState":"Off","AssetTag":false}`, []string{"PropertyValueTypeError /AssetTag"}},
		{"null for a boolean", "PATCH", "/redfish/v1/Managers/1", `{"Oem":{"Hpe":{"RequiredLoginForiLORBSU":null}}}`, []string{"PropertyValueTypeError /Oem/Hpe/RequiredLoginForiLORBSU"}},

		{"attribute unknown", "PATCH", settings, `{"Attributes":{"WorkloadProfil":"Custom"}}`, []string{"PropertyUnknown /Attributes/WorkloadProfil"}},
		{"attribute not allowed", "PATCH", settings, `{"Attributes":{"WorkloadProfile":"custom"}}`, []string{"PropertyValueNotInList /Attributes/WorkloadProfile"}},
		{"attribute out of range", "PATCH", settings, `{"Attributes":{"INTEGER":1000000}}`, []string{"PropertyValueOutOfRange /Attributes/INTEGER"}},
		{"attribute not an integer", "PATCH", settings, `{"Attributes":{"INTEGER":1.5}}`, []string{"PropertyValueTypeError /Attributes/INTEGER"}},
		{"attribute of another type", "PATCH", settings, `{"Attributes":{"AdminName":true,"WorkloadProfile":1}}`, []string{"PropertyValueTypeError /Attributes/AdminName", "PropertyValueTypeError /Attributes/WorkloadProfile"}},
		{"attribute too long", "PATCH", settings, `{"Attributes":{"AdminName":"` + strings.Repeat("x", 500) + `"}}`, []string{"PropertyValueFormatError /Attributes/AdminName"}},
		{"attribute of other characters", "PATCH", settings, `{"Attributes":{"AdminName":"Zoë"}}`, []string{"PropertyValueFormatError /Attributes/AdminName"}},
		{"attribute read-only", "PATCH", settings, `{"Attributes":{"READONLY":1}}`, []string{"PropertyNotWritable /Attributes/READONLY"}},
		{"attribute read-only at the resource of the settings", "PATCH", "/redfish/v1/Systems/1/Bios", `{"Attributes":{"READONLY":1}}`, []string{"PropertyNotWritable /Attributes/READONLY"}},
		{"attributes no object", "PATCH", settings, `{"Attributes":[]}`, []string{"PropertyValueTypeError /Attributes"}},

		{"unknown in a new resource", "POST", "/redfish/v1/AccountService/Accounts", `{"UserNam":"a"}`, nil},
		{"type in a new resource", "POST", "/redfish/v1/AccountService/Accounts", `{"UserName":7,"Password":12345678}`, []string{"PropertyValueTypeError /Password", "PropertyValueTypeError /UserName"}},
		{"required", "POST", certificates, `{"CertificateType":"PEM"}`, []string{"CreateFailedMissingReqProperties /CertificateString"}},
		{"required by capabilities", "POST", volumes, `{"Links":{}}`, []string{"CreateFailedMissingReqProperties /Links/Drives", "CreateFailedMissingReqProperties /RAIDType"}},
		{"not allowed by capabilities", "POST", volumes, `{"RAIDType":"RAID7","CapacityBytes":5,"DisplayName":"a very long name","Links":{"Drives":[]}}`, []string{"PropertyValueOutOfRange /CapacityBytes", "PropertyValueFormatError /DisplayName", "PropertyValueNotInList /RAIDType"}},
		{"action", "POST", system + "/Actions/ComputerSystem.Reset/", `{"ResetType":"Restart"}`, []string{"PropertyValueNotInList /ResetType"}},
		{"action's type", "POST", system + "/Actions/ComputerSystem.Reset/", `{"ResetType":1}`, []string{"PropertyValueTypeError /ResetType"}},

		{"no JSON", "PATCH", system, `{"AssetTag":`, []string{"MalformedJSON /AssetTag"}},
		{"no object", "PATCH", system, `[]`, []string{"MalformedJSON "}},
		{"nothing", "PATCH", system, ``, []string{"MalformedJSON "}},
		{"twice", "PATCH", system, `{"Boot":{"A":1,"A":1}}`, []string{"MalformedJSON /Boot/A"}},
		{"no resource", "PATCH", "/redfish/v1/Nowhere", `{"AssetTag":7}`, nil},
		{"no collection", "POST", system, `{"AssetTag":7}`, nil},
		{"nothing to say", "DELETE", system, `{`, nil},
		{"annotations", "PATCH", system, `{"@odata.id":7,"AssetTag@x.y":{}}`, nil},
		{"annotations of OData alone", "PATCH", system, `{"@odata.id":"/x","@odata.etag":"y"}`, []string{"NoOperation "}},
		{"annotations of OData in a PUT", "PUT", system, `{"@odata.id":"/x"}`, nil},
	}
	for name, tr := range trees(t) {
		if !strings.HasPrefix(name, "ilo6") && !strings.HasPrefix(name, "ilo5-3") {
			continue
		}
		integer, readOnly := attribute(t, tr, "Integer", false), attribute(t, tr, "", true)
		names := strings.NewReplacer("INTEGER", integer, "READONLY", readOnly)
		c := schema.NewChecker(frozen(t, tr))
		for _, test := range tests {
			t.Run(name+"/"+test.name, func(t *testing.T) {
				if test.path == volumes && !strings.HasPrefix(name, "ilo6") {
					t.Skip("its capabilities say less")
				}
				if _, ok := tr.Lookup(test.path); test.path == certificates && !ok {
					t.Skip("there are no certificates for secure boot here")
				}
				got, err := c.Check(t.Context(), schema.Write{Method: test.method, Path: test.path, Body: []byte(names.Replace(test.body))})
				if err != nil {
					t.Fatal(err)
				}
				want := slices.Clone(test.want)
				for i := range want {
					want[i] = names.Replace(want[i])
				}
				if diff := gocmp.Diff(want, keys(got)); diff != "" {
					t.Errorf("%s\n%+v", diff, got)
				}
			})
		}
	}
}

// registry is the attribute registry of a tree's BIOS.
func registry(tb testing.TB, tr *tree.Tree) (attributes []map[string]any, dependent map[string]bool) {
	tb.Helper()
	for _, r := range tr.Resources() {
		if !strings.Contains(strings.ToLower(r.URI), "registrystore/registries/en/biosattributeregistry") {
			continue
		}
		var body struct {
			RegistryEntries struct {
				Attributes   []map[string]any
				Dependencies []struct {
					Dependency struct{ MapToAttribute, MapToProperty string }
				}
			}
		}
		if err := json.Unmarshal(r.Body, &body); err != nil {
			tb.Fatal(err)
		}
		dependent = map[string]bool{}
		for _, d := range body.RegistryEntries.Dependencies {
			if d.Dependency.MapToProperty == "ReadOnly" {
				dependent[d.Dependency.MapToAttribute] = true
			}
		}
		return body.RegistryEntries.Attributes, dependent
	}
	tb.Fatal("no attribute registry")
	return nil, nil
}

// attribute is one of a type, read-only or not, whatever others are.
func attribute(tb testing.TB, tr *tree.Tree, typ string, readOnly bool) string {
	attributes, dependent := registry(tb, tr)
	for _, a := range attributes {
		name := a["AttributeName"].(string)
		if cmp.Or(typ, a["Type"].(string)) == a["Type"] && a["ReadOnly"] == readOnly && !dependent[name] {
			return name
		}
	}
	tb.Fatalf("no attribute of type %q", typ)
	return ""
}

// TestEveryAttribute writes every value that the registry allows for every
// attribute, and some that it does not.
func TestEveryAttribute(t *testing.T) {
	for name, tr := range trees(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := schema.NewChecker(frozen(t, tr))
			const path = "/redfish/v1/systems/1/bios/settings"
			settings, _ := tr.Lookup(path)
			check := func(attribute string, value any) []string {
				body, err := json.Marshal(map[string]any{"Attributes": map[string]any{attribute: value}})
				if err != nil {
					t.Fatal(err)
				}
				v, err := c.Check(t.Context(), schema.Write{Method: http.MethodPatch, Path: path, Body: body, Current: settings.Body})
				if err != nil {
					t.Fatal(err)
				}
				return keys(v)
			}
			attributes, dependent := registry(t, tr)
			for _, a := range attributes {
				name := a["AttributeName"].(string)
				var good, bad []any
				wrong := "PropertyValueNotInList"
				switch a["Type"] {
				case "Enumeration":
					for _, v := range a["Value"].([]any) {
						good = append(good, v.(map[string]any)["ValueName"])
					}
					bad = []any{"no such value"}
				case "Integer":
					good = []any{a["LowerBound"], a["UpperBound"]}
					bad, wrong = []any{a["LowerBound"].(float64) - 1, a["UpperBound"].(float64) + 1}, "PropertyValueOutOfRange"
				case "String":
					good = []any{a["DefaultValue"]}
					bad, wrong = []any{strings.Repeat("x", int(a["MaxLength"].(float64))+1)}, "PropertyValueFormatError"
				default:
					t.Errorf("%s has the type %v", name, a["Type"])
				}
				if a["ReadOnly"] == true && !dependent[name] {
					bad, good, wrong = slices.Concat(good, bad), nil, "PropertyNotWritable"
				}
				for _, v := range good {
					if got := check(name, v); got != nil {
						t.Errorf("%s = %v: %v", name, v, got)
					}
				}
				for _, v := range bad {
					if got, want := check(name, v), []string{wrong + " /Attributes/" + name}; !slices.Equal(got, want) {
						t.Errorf("%s = %v: %v, want %v", name, v, got, want)
					}
				}
			}
		})
	}
}

func TestTexts(t *testing.T) {
	tr := trees(t)["ilo6-1.66-dl380a-gen11"]
	c := schema.NewChecker(frozen(t, tr))
	for _, test := range []struct{ path, body, want string }{
		{"Systems/1", `{"Boot":{"BootSourceOverideTarget":"Cd"}}`, `/Boot/BootSourceOverideTarget is not a property here (did you mean "BootSourceOverrideTarget"?)`},
		{"Systems/1", `{"Boot":{"BootSourceOverrideEnabled":"once"}}`, `/Boot/BootSourceOverrideEnabled cannot be "once" (did you mean "Once"?); allowed: Disabled, Once, Continuous`},
		{"Systems/1", `{"AssetTag":7}`, `/AssetTag must be of type string|null, not integer`},
		{"Systems/1", `{"PowerState":"Off"}`, `/PowerState is read-only`},
		{"Managers/1/EthernetInterfaces/1", `{"VLAN":{"VLANId":70000}}`, `/VLAN/VLANId must be from 0 to 4094`},
		{"Chassis/DE00A000/Drives/2", `{"Model":"a"}`, `/Model is read-only; writeable here: HotspareType, LocationIndicatorActive`},
		{"systems/1/bios/settings", `{"Attributes":{"AdminName":"Zoë"}}`, `/Attributes/AdminName must match ^[\ -\~]*$`},
		{"systems/1/bios/settings", "{\n \"Attributes\":{\"A\":1,\n  \"A\":2}}", `malformed JSON at line 3, column 6: "A" twice in one object`},
		{"Systems/1", `{"AssetTag":"a" "b"}`, `malformed JSON at line 1, column 17: invalid character '"' after object key:value pair`},
		{"Systems/1", `{"AssetTag":"a`, `malformed JSON at line 1, column 13: it ends too early`},
		{"Systems/1", `{} x`, `malformed JSON at line 1, column 4: something after the end`},
		{"Systems/1", "{\"AssetTag\":\"\xff\"}", `malformed JSON at line 1, column 14: not UTF-8`},
		{"Systems/1", `{"AssetTag":` + strings.Repeat("[", 40), `malformed JSON at line 1, column 45: more than 32 levels deep`},
		{"Systems/1", `{"AssetTag":"` + strings.Repeat("x", 5<<20) + `"}`, `malformed JSON at line 1, column 4194305: over 4 MiB`},
	} {
		got, err := c.Check(t.Context(), schema.Write{Method: "PATCH", Path: "/redfish/v1/" + test.path, Body: []byte(test.body)})
		if err != nil || len(got) != 1 {
			t.Errorf("%.80s: %v %v", test.body, got, err)
		} else if got[0].Text != test.want {
			t.Errorf("%.80s:\ngot  %s\nwant %s", test.body, got[0].Text, test.want)
		}
	}
}

// TestNoSecrets looks for a password in what is said of it.
func TestNoSecrets(t *testing.T) {
	for name, tr := range trees(t) {
		if _, ok := tr.Lookup("/redfish/v1/AccountService/Accounts/1"); !ok {
			continue
		}
		c := schema.NewChecker(frozen(t, tr))
		for _, body := range []string{`{"Password":31337}`, `{"Password":["31337"]}`, `{"Pasword":"31337"}`, `{"Oem":{"Hpe":{"Privileges":{"Password":"31337"}}}}`} {
			got, err := c.Check(t.Context(), schema.Write{Method: "PATCH", Path: "/redfish/v1/AccountService/Accounts/1", Body: []byte(body)})
			if err != nil || len(got) == 0 || strings.Contains(fmt.Sprint(got), "31337") {
				t.Errorf("%s: %s: %v %v", name, body, got, err)
			}
		}
	}
}
