package equal_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ilod/ilod/agent/equal"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

func parse(t *testing.T, text string) (v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// TestAsked: what needs no write, and what does.
func TestAsked(t *testing.T) {
	for _, c := range []struct {
		present, asked string
		want           bool
	}{
		{`240`, `240.0`, true}, {`240.0`, `240`, true}, {`2.4e2`, `240`, true}, {`240`, `241`, false}, {`0`, `-0`, true}, {`-0.5`, `-0.50`, true},
		{`9007199254740993`, `9007199254740992`, false}, {`9007199254740993.0`, `9007199254740993`, true},
		{`"240"`, `240`, false}, {`true`, `"true"`, false}, {`"a"`, `"A"`, false},
		{`null`, `null`, true}, {`""`, `null`, true}, {`"0.0.0.0"`, `null`, true}, {`"x"`, `null`, false}, {`0`, `null`, false}, {`false`, `null`, false},
		{`null`, `"x"`, false}, {`null`, `[]`, false}, {`null`, `""`, false},
		{`"fd00::1"`, `"FD00:0:0::1"`, true}, {`"10.0.0.1"`, `"10.0.0.2"`, false},
		// Two NTP servers, six name servers, three of DNS.
		{`["ntp.example",""]`, `["ntp.example"]`, true}, {`["10.1.1.1","0.0.0.0"]`, `["10.1.1.1"]`, true}, {`["",""]`, `[]`, true},
		{`["10.1.1.1","0.0.0.0","0.0.0.0","::","::","::"]`, `["10.1.1.1"]`, true},
		{`["10.1.1.1","0.0.0.0","0.0.0.0","fd00::1","::","::"]`, `["10.1.1.1","fd00::1"]`, true},
		{`["10.1.1.1","10.1.1.2","0.0.0.0","fd00::1","::","::"]`, `["10.1.1.1","fd00::1"]`, false},
		{`["10.1.1.1","0.0.0.0"]`, `["10.1.1.1","","",""]`, true}, {`["10.1.1.1"]`, `["10.1.1.1","0.0.0.0"]`, true},
		{`["a","b",""]`, `["a"]`, false}, {`["a"]`, `["a","b"]`, false}, {`["a","b"]`, `["b","a"]`, false},
		{`["","a"]`, `["a",""]`, false}, {`["","a"]`, `["a"]`, false}, {`["a"]`, `["","a"]`, false}, {`["0.0.0.0","a"]`, `["0.0.0.0","a"]`, true},
		{`["b"]`, `[null,"b"]`, true}, {`["a","b"]`, `[null,"b"]`, false},
		{`[null,"b"]`, `[null,"b"]`, true}, {`["","b"]`, `[null,"b"]`, false}, {`[null,"b"]`, `["","b"]`, false},
		{`[null,"b"]`, `["b"]`, false}, {`[null,{"a":1,"b":2}]`, `[null,{"a":1.0}]`, true},
		{`[0,0]`, `[]`, false}, {`[false]`, `[]`, false},
		{`[{"Address":"fd00::1","PrefixLength":64},{"Address":"::","PrefixLength":null}]`, `[{"Address":"fd00::1","PrefixLength":64}]`, true},
		{`[{"Address":"fd00::1","PrefixLength":64}]`, `[{"Address":"fd00::1"}]`, true},
		{`[{"Address":"fd00::1","PrefixLength":64}]`, `[]`, false}, {`[{"AllocationPercent":0}]`, `[]`, false},
		{`{"a":1,"b":{"c":["x",""],"d":2}}`, `{"b":{"c":["x"]}}`, true}, {`{"a":1}`, `{"a":1,"b":2}`, false}, {`{"a":1}`, `{"b":null}`, true},
		{`7`, `{"a":1}`, false}, {`7`, `[7]`, false}, {`{"a":1}`, `{}`, true},
		{`null`, `{"a":null}`, true}, {`null`, `{"a":1}`, false}, {`""`, `{}`, false},
	} {
		if got := equal.Asked(parse(t, c.present), parse(t, c.asked)); got != c.want {
			t.Errorf("%s is what was asked with %s: %v", c.present, c.asked, got)
		}
	}
}

// value draws a JSON value of those that iLOs have, with all that fills up lists.
func value() *rapid.Generator[any] {
	return rapid.Deferred(func() *rapid.Generator[any] {
		return rapid.OneOf(
			rapid.SampledFrom([]any{nil, "", "a", "b", "0.0.0.0", "::", "fd00::1", "FD00:0::1", true, false,
				json.Number("0"), json.Number("-0"), json.Number("1"), json.Number("1.0"), json.Number("1e400"), 1.0}),
			rapid.Map(rapid.SliceOfN(value(), 0, 4), func(v []any) any { return v }),
			rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"A", "B", "C"}), value(), 0, 3), func(v map[string]any) any { return v }),
		)
	})
}

// TestEachValueIsWhatItIs: nothing has to be written to have what there is, and
// what means the same.
func TestEachValueIsWhatItIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := value().Draw(t, "a"), value().Draw(t, "b")
		if !equal.Same(a, a) || !equal.Asked(a, a) {
			t.Errorf("%v is not what it is", a)
		}
		if same := equal.Same(a, b); same != equal.Same(b, a) || same && !equal.Asked(a, b) {
			t.Errorf("%v and %v: same %v, asked %v", a, b, same, equal.Asked(a, b))
		}
	})
}

// TestCanonical: what the journal compares without seeing it.
func TestCanonical(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`{"a":1,"b":null}`, `{"a":1.0}`, true}, {`["a","",null,"::"]`, `["a"]`, true}, {`["","a"]`, `["a"]`, false}, {`{"a":"b"}`, `{"a":"c"}`, false},
		{`["a","b"]`, `["ab"]`, false}, {`[["a"],"b"]`, `[["a","b"]]`, false}, {`1e400`, `1e400`, true}, {`0.1`, `0.10`, true}, {`[]`, `null`, false},
		{`{}`, `null`, true}, {`["a",["b"]]`, `[["a","b"]]`, false}, {`{"a":{"b":1}}`, `{"a":{},"b":1}`, false}, {`1e400`, `1e401`, false},
		{`-1`, `1`, false}, {`-0.0`, `0`, true}, {`1.50`, `1.05`, false}, {`true`, `false`, false},
	} {
		if got := equal.Same(parse(t, c.a), parse(t, c.b)); got != c.want {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
	if !equal.Same(parse(t, `2.5`), 2.5) {
		t.Error("a number that was read as a float")
	}
}

// TestRealTreesAreWhatTheyAre: every body of the real trees, and every value in
// one, is what was asked, and each list of it still is if what fills it up is left
// out.
func TestRealTreesAreWhatTheyAre(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(tree.Testdata(t), "trees", "*.jsonl.gz"))
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	filled, values := 0, 0
	var differs func(v any) []any
	differs = func(v any) (all []any) {
		if values++; !equal.Asked(v, v) || !equal.Same(v, v) {
			all = append(all, v)
		}
		switch v := v.(type) {
		case map[string]any:
			for _, inner := range v {
				all = append(all, differs(inner)...)
			}
		case []any:
			for _, inner := range v {
				all = append(all, differs(inner)...)
			}
		}
		return all
	}
	var strip func(v any) any
	strip = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			o := map[string]any{}
			for name, inner := range v {
				o[name] = strip(inner)
			}
			return o
		case []any:
			list := []any{}
			for _, inner := range v {
				list = append(list, strip(inner))
			}
			for len(list) > 0 && (list[len(list)-1] == "" || list[len(list)-1] == "0.0.0.0" || list[len(list)-1] == "::") {
				list = list[:len(list)-1]
				filled++
			}
			return list
		}
		return v
	}
	for _, file := range files {
		captured, err := tree.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range captured.Resources() {
			if strings.Contains(r.URI, "chema") || strings.Contains(r.URI, "egistr") {
				continue
			}
			body := parse(t, string(r.Body))
			if all := differs(body); all != nil || !equal.Asked(body, strip(body)) {
				t.Errorf("%s %s: %v", filepath.Base(file), r.URI, all)
			}
		}
	}
	if filled < 40 || values < 10_000 {
		t.Errorf("only %d values, of which %d fill up lists", values, filled)
	}
}
