package schema_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ilod/ilod/agent/schema"
)

func TestProperty(t *testing.T) {
	c := schema.NewChecker(frozen(t, trees(t)["ilo6-1.66-dl380a-gen11"]))
	for _, test := range []struct {
		path string
		want schema.Info
	}{
		{"Systems/1", schema.Info{Pointer: "/AssetTag", Type: "string|null"}},
		{"Systems/1", schema.Info{Pointer: "/PowerState", Type: "string|null", ReadOnly: true,
			Allowed: []string{"On", "Off", "Unknown", "Reset", "PoweringOn", "PoweringOff"}}},
		{"Systems/1", schema.Info{Pointer: "/Boot/BootSourceOverrideTarget", Type: "string|null", Allowed: []string{"None", "Cd", "Hdd", "Usb",
			"SDCard", "Utilities", "Diags", "BiosSetup", "Pxe", "UefiShell", "UefiHttp", "UefiTarget"}}},
		{"Systems/1/Bios/Settings", schema.Info{Pointer: "/Attributes/AdminName", Type: "string|null", Min: "0", Max: "28"}},
		{"Systems/1/Bios/Settings", schema.Info{Pointer: "/Attributes/EnabledCoresPerProc", Type: "integer", Default: "0", Min: "0", Max: "64"}},
		{"Systems/1/Bios/Settings", schema.Info{Pointer: "/Attributes/BootOrderPolicy", Type: "string", Default: "RetryIndefinitely",
			Allowed: []string{"RetryIndefinitely", "AttemptOnce", "ResetAfterFailed"}}},
		{"Managers/1/EthernetInterfaces/1", schema.Info{Pointer: "/VLAN/VLANId", Type: "integer|null", Min: "0", Max: "4094"}},
		{"Chassis/1/Power", schema.Info{Pointer: "/PowerControl/0/PowerLimit/LimitInWatts", Type: "integer|null"}},
		{"Chassis/DE00A000/Drives/2", schema.Info{Pointer: "/Model", Type: "string|null", ReadOnly: true}},
		{"Systems/1/Storage/DE00A000/Controllers/0", schema.Info{Pointer: "/ControllerRates/RebuildRatePercent", Type: "integer|null", Max: "100"}},
	} {
		got, err := c.Property(t.Context(), "/redfish/v1/"+test.path, test.want.Pointer)
		if err != nil {
			t.Errorf("%s: %v", test.path, err)
			continue
		}
		if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(schema.Info{}, "Help")); diff != "" || got.Help == "" {
			t.Errorf("%s %s\n%s", test.path, diff, got.Help)
		}
	}
	for _, test := range []struct {
		path, pointer, text string
		want                error
	}{
		{"Nowhere", "/A", "no such resource: /redfish/v1/Nowhere", schema.ErrNoResource},
		{"Systems/1", "/AssetTagg", `no such property: /redfish/v1/Systems/1 has no /AssetTagg (did you mean "AssetTag"?)`, schema.ErrNoProperty},
		{"Chassis/1/Power", "/PowerControl/9/PowerLimit", "no such property: /redfish/v1/Chassis/1/Power has no /PowerControl/9", schema.ErrNoProperty},
	} {
		if _, err := c.Property(t.Context(), "/redfish/v1/"+test.path, test.pointer); !errors.Is(err, test.want) || err.Error() != test.text {
			t.Errorf("%s: %v", test.pointer, err)
		}
	}
}

// TestProperties finds every property of every resource again, one by one.
func TestProperties(t *testing.T) {
	for name, tr := range trees(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := schema.NewChecker(frozen(t, tr))
			described, typed, helped := 0, 0, 0
			for i, r := range tr.Resources() {
				if r.Status != http.StatusOK || strings.Contains(strings.ToLower(r.URI), "store/") || i%11 != 0 && !strings.Contains(r.URI, "bios") {
					continue
				}
				all, err := c.Properties(t.Context(), r.URI)
				if err != nil {
					t.Fatal(err)
				}
				seen := map[string]bool{}
				for _, i := range all {
					if seen[i.Pointer] {
						t.Errorf("%s has %s twice", r.URI, i.Pointer)
					}
					seen[i.Pointer] = true
				}
				for k, want := range all {
					described++
					if want.Type != "" {
						typed++
					}
					if want.Help != "" {
						helped++
					}
					if k%31 != 0 {
						continue
					}
					got, err := c.Property(t.Context(), r.URI, want.Pointer)
					if err != nil {
						t.Fatalf("%s: %v", r.URI, err)
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s: %s", r.URI, diff)
					}
				}
			}
			t.Logf("%d properties, %d with a type, %d with a text", described, typed, helped)
			if described < 1000 || typed < described*9/10 || helped < described*3/5 {
				t.Errorf("%d properties, %d with a type, %d with a text", described, typed, helped)
			}
		})
	}
}

// TestAllowedValues writes every value that a property is said to allow, and one
// that it does not.
func TestAllowedValues(t *testing.T) {
	for name, tr := range trees(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := schema.NewChecker(frozen(t, tr))
			written, refused := 0, 0
			for i, r := range tr.Resources() {
				if r.Status != http.StatusOK || strings.Contains(strings.ToLower(r.URI), "store/") || i%7 != 0 {
					continue
				}
				all, err := c.Properties(t.Context(), r.URI)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range all {
					if p.ReadOnly || p.Allowed == nil || strings.Contains(p.Type, "array") || strings.ContainsAny(p.Pointer, "0123456789") {
						continue
					}
					write := func(value string) []schema.Violation {
						body := value
						if strings.Contains(p.Type, "string") {
							body = strconv.Quote(value)
						}
						for _, part := range slices.Backward(strings.Split(p.Pointer, "/")[1:]) {
							body = `{"` + part + `":` + body + `}`
						}
						v, err := c.Check(t.Context(), schema.Write{Method: http.MethodPatch, Path: r.URI, Body: []byte(body), Current: r.Body})
						if err != nil {
							t.Fatal(err)
						}
						return v
					}
					for _, value := range p.Allowed {
						written++
						if v := write(value); v != nil {
							t.Errorf("%s: %v", r.URI, v)
						}
					}
					if v := write("31337"); len(v) == 1 && v[0].Key == "PropertyValueNotInList" && slices.Equal(v[0].Allowed, p.Allowed) {
						refused++
					} else if v != nil {
						t.Errorf("%s: %v", r.URI, v)
					}
				}
			}
			t.Logf("%d written, %d refused", written, refused)
			if written < 50 || refused < 10 {
				t.Errorf("only %d written, %d refused", written, refused)
			}
		})
	}
}

// TestWhatCannotBeReadIsNotMissing tells a resource that an iLO does not have from
// one that it does not give.
func TestWhatCannotBeReadIsNotMissing(t *testing.T) {
	for status, c := range map[int]struct {
		body    string
		missing bool
		text    string
	}{
		404: {`{}`, true, "no such resource: /redfish/v1/x"},
		503: {`{"error":{"@Message.ExtendedInfo":[{"MessageId":"Base.1.4.ServiceTemporarilyUnavailable"}]}}`, false, "GET /redfish/v1/x: 503 Service Unavailable: Base.1.4.Serv"},
		308: {``, false, "GET /redfish/v1/x: 308 Permanent Redirect"},
		200: {`[1]`, false, "GET /redfish/v1/x: the answer is not a JSON object"},
	} {
		checker := schema.NewChecker(inProcess{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, c.body)
		})})
		_, one := checker.Property(t.Context(), "/redfish/v1/x", "A")
		_, all := checker.Properties(t.Context(), "/redfish/v1/x")
		for _, err := range []error{one, all} {
			if err == nil || errors.Is(err, schema.ErrNoResource) != c.missing || !strings.HasPrefix(err.Error(), c.text) {
				t.Errorf("%d: %v", status, err)
			}
		}
	}
}
