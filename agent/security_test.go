package agent

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestThreatModelNamesTests: each line of the threat model names tests, and each of
// them exists.
func TestThreatModelNamesTests(t *testing.T) {
	text, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n| --- | --- | --- | --- | --- |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	named := regexp.MustCompile("`([a-z/]+): ((?:Test|Fuzz|Benchmark)[A-Za-z0-9_]+)`")
	lines := strings.Split(table, "\n")
	if len(lines) < 20 {
		t.Fatalf("%d lines", len(lines))
	}
	sources := map[string]string{}
	for _, line := range lines {
		tests := named.FindAllStringSubmatch(line, -1)
		if len(tests) == 0 || strings.Count(line, "`")/2 < len(tests) || strings.Count(line, "|") != 6 {
			t.Errorf("names no tests in its fifth column: %s", line)
		}
		for _, test := range tests {
			dir, name := test[1], test[2]
			if sources[dir] == "" {
				files, _ := filepath.Glob(filepath.Join("..", filepath.FromSlash(dir), "*_test.go"))
				for _, file := range files {
					source, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					sources[dir] += string(source)
				}
			}
			if !strings.Contains(sources[dir], "\nfunc "+name+"(") {
				t.Errorf("there is no %s in %s", name, dir)
			}
		}
	}
}
