package chif_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The documents that comments cite, and their paths from this directory.
var cited = map[string]string{"PROTOCOL.md": "PROTOCOL.md", "ILO.md": "../agent/ILO.md"}

var (
	// outside are documents that are not part of the project, in two pieces each,
	// so that this file does not name them.
	outside = regexp.MustCompile(`\b(chif` + `-protocol|chif` + `-captures|ilo` + `-behaviour|real-driver` + `-vm|test` + `-environments|upload` +
		`-captures)\b|\b(libraries|features|architecture|session-managers|peers|exemplars)(\.md)? §`)
	citation  = regexp.MustCompile(`\b(PROTOCOL\.md|ILO\.md) §\d+((,| and| to) §\d+)*`)
	section   = regexp.MustCompile(`§\d+(\.\d+)*`)
	heading   = regexp.MustCompile(`(?m)^## (\d+)\. `)
	otherText = regexp.MustCompile(`(RFC|DSP|XCU)\s?\d* §[\d.]+`)
	newLine   = regexp.MustCompile(`\s*\n\s*(//|\*|#)?\s*`)
)

// TestCitations: comments and documents cite nothing that is not in the project,
// and only sections that exist.
func TestCitations(t *testing.T) {
	sections := map[string][]string{}
	for name, path := range cited {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range heading.FindAllStringSubmatch(string(text), -1) {
			sections[name] = append(sections[name], "§"+h[1])
		}
	}
	count := 0
	check := func(path, document, where string) {
		for _, s := range section.FindAllString(where, -1) {
			if count++; !slices.Contains(sections[document], s) {
				t.Errorf("%s: %s has no %s", path, document, s)
			}
		}
	}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != ".." && (strings.HasPrefix(d.Name(), ".") || path == filepath.Join("..", "build") || path == filepath.Join("..", "bin")):
			return filepath.SkipDir
		case !d.Type().IsRegular() || !slices.Contains([]string{".go", ".md", ".c", ".sh", ".rb", ".pp", ".yml", ".txtar", ""}, filepath.Ext(path)):
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text := otherText.ReplaceAllString(newLine.ReplaceAllString(string(raw), " "), "")
		for _, name := range outside.FindAllString(text, -1) {
			t.Errorf("%s cites %q, which is not a part of the project", path, name)
		}
		for _, c := range citation.FindAllStringSubmatch(text, -1) {
			check(path, c[1], c[0])
		}
		if rest := citation.ReplaceAllString(text, ""); strings.Contains(filepath.ToSlash(path), "chif/chiftest/redfish/") || strings.HasSuffix(filepath.ToSlash(path), "agent/ILO.md") {
			check(path, "ILO.md", rest)
		} else if filepath.Base(path) == "PROTOCOL.md" {
			check(path, "PROTOCOL.md", rest)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if count < 100 {
		t.Errorf("%d citations, want those of the whole project", count)
	}
}
