package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

// otherDocuments are the commands whose JSON is not of ilod's own making.
var otherDocuments = map[string]string{
	"get": "the iLO's", "list": "the iLO's", "save": "the iLO's", "serverinfo": "the iLO's names of properties",
	"rawget": "the iLO's", "rawhead": "the iLO's", "rawpatch": "the iLO's", "rawpost": "the iLO's", "rawput": "the iLO's", "rawdelete": "the iLO's",
	"config show": "of the file's names", "config check": "none", "batch": "of its commands", "shell": "of its commands",
	"agent metrics": "text", "agent stop": "none", "cache clear": "none", "logout": "none", "reboot": "none", "iloreset": "none",
	"session end": "none", "session terminate": "none", "session rotate-key": "none",
	"service run": "none", "service install": "none", "service uninstall": "none", "service start": "none", "service stop": "none", "service status": "on Windows alone",
}

// TestEachCommandIsSpelled: the transcript json.txtar has every command that prints a
// document of ilod's own.
func TestEachCommandIsSpelled(t *testing.T) {
	text, err := os.ReadFile("testdata/script/json.txtar")
	if err != nil {
		t.Fatal(err)
	}
	walk(newApp(os.Stdin, os.Stdout, os.Stderr).rootCommand(), func(cmd *cobra.Command) {
		name := strings.TrimPrefix(cmd.CommandPath(), "ilod ")
		if !cmd.HasParent() || !cmd.Runnable() || cmd.HasSubCommands() || strings.HasPrefix(name, "completion") || cmd.Parent().Hidden || otherDocuments[name] != "" {
			return
		}
		if !regexp.MustCompile(`(?m)^spells ` + name + `\b`).Match(text) {
			t.Errorf("json.txtar lacks %s", name)
		}
	})
}

// spells runs ilod with --json, which must succeed, and examines the documents that it
// prints.
func (f *fixture) spells(ts *testscript.TestScript, args []string) error {
	if err := f.exits(ts, append(append([]string{"0"}, args...), "--json")); err != nil {
		return err
	}
	documents := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	for n := 0; ; n++ {
		var doc any
		switch err := documents.Decode(&doc); {
		case errors.Is(err, io.EOF) && n > 0:
			return nil
		case err != nil:
			return err
		}
		if err := checkSpelling(doc, ""); err != nil {
			return err
		}
	}
}

var (
	camelCase = regexp.MustCompile(`^[a-z][A-Za-z0-9]*$`)
	times     = regexp.MustCompile(`^(created|used|begun|started|since|lastUse|recovered|login|access|lastSweep|time)$`)
	durations = regexp.MustCompile(`^(timeout|lifetime|waited|age|idle)$|(Timeout|Lifetime|Age)$`)
	units     = regexp.MustCompile(`(Ns|Ms|Nanoseconds|Seconds|Minutes)$`)
)

// checkSpelling examines all names and values of a document, but for values that are the
// iLO's: those of a property, before and after.
func checkSpelling(v any, at string) error {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if err := checkSpelling(x, at); err != nil {
				return err
			}
		}
	case map[string]any:
		for name, x := range v {
			below := at + "/" + name
			text, isText := x.(string)
			_, isNumber := x.(float64)
			_, when := time.Parse(time.RFC3339Nano, text)
			switch {
			case strings.HasPrefix(name, "@odata."):
			case !camelCase.MatchString(name):
				return fmt.Errorf("%s is not in camelCase", below)
			case units.MatchString(name):
				return fmt.Errorf("%s names a unit", below)
			case times.MatchString(name) && isText && when != nil:
				return fmt.Errorf("%s is %q: %w", below, text, when)
			case durations.MatchString(name) && !isNumber:
				return fmt.Errorf("%s is %v, not a number of seconds", below, x)
			}
			if name == "from" || name == "to" || name == "body" || name == "current" || name == "pending" {
				continue
			}
			if err := checkSpelling(x, below); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestSpellingIsExamined: what is spelled otherwise is found.
func TestSpellingIsExamined(t *testing.T) {
	for text, good := range map[string]bool{
		`{"path":"/x","created":"2026-01-02T03:04:05.6Z","timeout":90,"from":{"AssetTag":1},"@odata.id":"/x"}`: true,
		`[{"a":{"Path":"/x"}}]`:    false,
		`{"user_name":"x"}`:        false,
		`{"created":"02.01.2026"}`: false,
		`{"timeout":"90s"}`:        false,
		`{"ageNs":1}`:              false,
	} {
		var doc any
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		if err := checkSpelling(doc, ""); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}
