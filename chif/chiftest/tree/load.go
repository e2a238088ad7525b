package tree

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// Load reads a tree from path:
//
//   - a file of gzipped JSON lines {"uri":…,"status":…,"body":{…}}, or
//   - a directory in the layout of a DMTF mockup, one index.json for each
//     resource in a folder named like its URI, either from the folder redfish
//     on or from the service root on (the "short form").
//
// In a mockup, which has no status, an error body that names
// ResourceMissingAtURI is a 404 and any other error body a 400. An error that
// does not come from the file system wraps ErrFormat.
func Load(path string) (*Tree, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	var resources []Resource
	if info.IsDir() {
		resources, err = loadMockup(path)
	} else {
		resources, err = loadLines(path)
	}
	if err != nil {
		return nil, err
	}
	t, err := New(resources)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

func loadLines(path string) ([]Resource, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, ErrFormat, err)
	}
	var resources []Resource
	for d := json.NewDecoder(z); ; {
		var line struct {
			URI    string          `json:"uri"`
			Status int             `json:"status"`
			Body   json.RawMessage `json:"body"`
		}
		if err := d.Decode(&line); errors.Is(err, io.EOF) {
			return resources, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w: resource %d: %w", path, ErrFormat, len(resources)+1, err)
		}
		resources = append(resources, Resource{line.URI, line.Status, line.Body})
	}
}

func loadMockup(dir string) ([]Resource, error) {
	prefix := "/"
	if _, err := os.Stat(filepath.Join(dir, "redfish")); err != nil {
		prefix = Root
	}
	var resources []Resource
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != "index.json" {
			return err
		}
		body, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, filepath.Dir(name))
		if err != nil {
			return err
		}
		body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
		resources = append(resources, Resource{mockupURI(prefix, filepath.ToSlash(rel)), mockupStatus(body), body})
		return nil
	})
	return resources, err
}

func mockupURI(prefix, rel string) string {
	if rel == "." {
		return prefix
	}
	return strings.TrimSuffix(prefix, "/") + "/" + rel
}

func mockupStatus(body []byte) int {
	var b struct{ Error *json.RawMessage }
	switch {
	case json.Unmarshal(body, &b) != nil || b.Error == nil:
		return http.StatusOK
	case bytes.Contains(*b.Error, []byte("ResourceMissingAtURI")):
		return http.StatusNotFound
	}
	return http.StatusBadRequest
}
