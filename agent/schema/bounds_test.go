package schema_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/schema"
)

// costly are bodies of n bytes that cost more to judge than others: their names,
// their elements, or what is wrong with them, are many or long.
func costly(n int) map[string]schema.Write {
	const system, settings = "/redfish/v1/Systems/1", "/redfish/v1/systems/1/bios/settings/"
	list := func(element string, n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(element+",", n/(len(element)+1)), ",") + "]"
	}
	object := func(value string, n int) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, `"Name%d":%s,`, i, value)
		}
		return "{" + strings.TrimSuffix(b.String(), ",") + "}"
	}
	long := strings.Repeat("x", n/2)
	bodies := map[string][2]string{
		"numbers in an array of strings":         {system, `{"Boot":{"BootOrder":` + list("1", n) + `}}`},
		"objects in an array of strings":         {system, `{"Boot":{"BootOrder":` + list(`{"a":1}`, n) + `}}`},
		"objects in an array of objects":         {"/redfish/v1/Chassis/1/Power", `{"PowerControl":` + list(`{"PowerLimit":{"LimitInWatts":"many"}}`, n) + `}`},
		"unknown names in an array of objects":   {"/redfish/v1/Chassis/1/Thermal", `{"Temperatures":` + list(`{"Nonsense":1}`, n) + `}`},
		"unknown properties":                     {system, object("1", n)},
		"unknown attributes":                     {settings, `{"Attributes":` + object("1", n) + `}`},
		"attributes in the wrong place":          {settings, object(`{"a":{}}`, n)},
		"a long name above many values":          {system, `{"` + long + `":` + list("1", n/2) + `}`},
		"a long name above many objects":         {settings, `{"Oem":{"` + long + `":` + list(`{"a":{"b":1}}`, n/2) + `}}`},
		"a long value of one of a few":           {system, `{"Boot":{"BootSourceOverrideTarget":"` + long + `"}}`},
		"long values of attributes":              {settings, `{"Attributes":{"WorkloadProfile":"` + long + `","AdminName":"` + long + `"}}`},
		"a long name that is given twice":        {system, `{"` + long + `":1,"` + long + `":1}`},
		"values without a schema":                {"/redfish/v1/Nowhere", `{"a":` + list(`{"b":[{}]}`, n) + `}`},
		"a long number for an attribute's value": {settings, `{"Attributes":{"WorkloadProfile":` + strings.Repeat("1", n) + `}}`},
	}
	writes := map[string]schema.Write{}
	for name, b := range bodies {
		writes[name] = schema.Write{Method: http.MethodPatch, Path: b[0], Body: []byte(b[1])}
	}
	return writes
}

// allocated is how many bytes f allocates, those that are free again included.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestJudgingTakesMemoryInProportion judges bodies of 256 KiB. Each costs at most 128
// bytes for one of the body, and what a short body costs.
func TestJudgingTakesMemoryInProportion(t *testing.T) {
	const size = 256 << 10
	c := schema.NewChecker(frozen(t, trees(t)["ilo6-1.66-dl380a-gen11"]))
	small, large := costly(1<<10), costly(size)
	for name := range small {
		t.Run(name, func(t *testing.T) {
			check := func(w schema.Write) (n uint64) {
				return allocated(func() {
					if _, err := c.Check(t.Context(), w); err != nil {
						t.Fatal(err)
					}
				})
			}
			check(small[name]) // reads what it needs
			few, many := check(small[name]), check(large[name])
			t.Logf("%d KiB for 1 KiB, %d KiB for %d KiB", few>>10, many>>10, size>>10)
			if many > 128*size+2*few {
				t.Errorf("%d KiB for a body of %d KiB", many>>10, size>>10)
			}
		})
	}
}

// TestViolationsAreShort looks at what is said of bodies that are long in some way:
// no name or value is quoted with more than 100 bytes, and no more than 50
// violations are told.
func TestViolationsAreShort(t *testing.T) {
	c := schema.NewChecker(frozen(t, trees(t)["ilo6-1.66-dl380a-gen11"]))
	most := 0
	for name, w := range costly(64 << 10) {
		got, err := c.Check(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, len(got))
		for _, v := range got {
			for part := range strings.FieldsFuncSeq(strings.Join(append(v.Args, v.Pointer, v.Text), " "), func(r rune) bool { return strings.ContainsRune(` /,"`, r) }) {
				if len(part) > 100 {
					t.Errorf("%s: %d bytes of one name or value: %.200s", name, len(part), part)
				}
			}
		}
		if last := ""; len(got) > 0 {
			last = got[len(got)-1].Text
			if more := strings.HasSuffix(last, "; further faults are not listed"); more != (len(got) == 50) || len(got) > 50 {
				t.Errorf("%s: %d violations, the last one is %q", name, len(got), last)
			}
		}
	}
	if most < 50 {
		t.Errorf("at most %d violations: is nothing wrong with these bodies?", most)
	}
}

// TestRuleThatManyPresentValuesBreak writes an array of 9,000 elements, all with a
// value that no present element has, and that each present one breaks, too. What it
// costs is bounded.
func TestRuleThatManyPresentValuesBreak(t *testing.T) {
	c := schema.NewChecker(frozen(t, trees(t)["ilo6-1.66-dl380a-gen11"]))
	element := func(n int, limit string) []byte {
		return []byte(`{"@odata.type":"#Power.v1_3_0.Power","PowerControl":[` + strings.TrimSuffix(strings.Repeat(`{"PowerLimit":{"LimitInWatts":`+limit+`}},`, n), ",") + `]}`)
	}
	for limit, want := range map[string]int{`"few"`: 0, `5`: 1} {
		got, err := c.Check(t.Context(), schema.Write{Method: http.MethodPatch, Path: "/redfish/v1/Chassis/1/Power",
			Body: element(9000, `"many"`), Current: element(9000, limit)})
		if err != nil || min(len(got), 1) != want {
			t.Errorf("present values %s: %d violations, %v", limit, len(got), err)
		}
	}
}

func BenchmarkCostly(b *testing.B) {
	c := schema.NewChecker(frozen(b, trees(b)["ilo6-1.66-dl380a-gen11"]))
	for _, size := range []int{64 << 10, 256 << 10} {
		for name, w := range costly(size) {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				b.SetBytes(int64(len(w.Body)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Check(b.Context(), w); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
