package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSessionManagers has one script for each thing that the session managers
// before us can do; agent/SESSIONS.md lists them.
func TestSessionManagers(t *testing.T) { runScripts(t, "testdata/session-managers") }

// TestSessionsReference wants each test that agent/SESSIONS.md names, and each
// script of TestSessionManagers named there.
func TestSessionsReference(t *testing.T) {
	text, err := os.ReadFile("../../agent/SESSIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z/]+) Test([A-Za-z]+)/([a-z_-]+)`").FindAllStringSubmatch(string(text), -1) {
		dir, test, sub := m[1], m[2], m[3]
		if dir == "cmd/ilod" {
			named[sub] = true
			if test != "SessionManagers" {
				t.Errorf("%s is not one of the scripts", m[0])
			}
			continue
		}
		if !hasTest(t, filepath.Join("../..", dir), test, sub) {
			t.Errorf("there is no test %s", m[0])
		}
	}
	scripts, err := filepath.Glob("testdata/session-managers/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, script := range scripts {
		name := strings.TrimSuffix(filepath.Base(script), ".txtar")
		if !named[name] {
			t.Errorf("SESSIONS.md does not name %s", name)
		}
		delete(named, name)
	}
	for name := range named {
		t.Errorf("there is no script %s", name)
	}
}

// hasTest looks for a test and the name of one of its subtests in the tests of a
// package.
func hasTest(t *testing.T, dir, test, sub string) bool {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(source), "func Test"+test+"(") && strings.Contains(string(source), `"`+sub+`"`) {
			return true
		}
	}
	return false
}
