package page

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestThePageIsSmall: all files together, with those of Cockpit.
func TestThePageIsSmall(t *testing.T) {
	sum := 0
	for _, root := range []string{"files", "../../packaging/cockpit"} {
		err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				var info fs.FileInfo
				if info, err = d.Info(); err == nil {
					sum += int(info.Size())
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if sum == 0 || sum >= 60_000 {
		t.Errorf("%d bytes", sum)
	}
}

// TestEachFileHasItsHeaders: the policy and a type on each file, 404 with the policy for others.
func TestEachFileHasItsHeaders(t *testing.T) {
	for path, want := range map[string]string{
		"/x/": "text/html", "/x/page.css": "text/css", "/x/page.js": "text/javascript", "/x/transport.js": "text/javascript",
		"/x/other": "", "/x/page.go": "", "/x/..": "", "/x/files": "",
	} {
		w := httptest.NewRecorder()
		Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if h := w.Header(); h.Get("Content-Security-Policy") != Policy || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %v", path, h)
		}
		if got := w.Header().Get("Content-Type"); want != "" && (w.Code != 200 || !strings.HasPrefix(got, want)) || want == "" && w.Code != 404 {
			t.Errorf("%s: %d, %s", path, w.Code, got)
		}
	}
}

// TestNothingBecomesMarkup: what the iLO says becomes text only, the handle is kept
// nowhere, and nothing is of another origin.
func TestNothingBecomesMarkup(t *testing.T) {
	never := regexp.MustCompile(`(?i)innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|localStorage|sessionStorage|document\.cookie|https?://|style="|\son[a-z]+="`)
	for _, file := range []string{"files/index.html", "files/page.css", "files/page.js", "files/transport.js", "../../packaging/cockpit/transport.js"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := never.Find(text); found != nil {
			t.Errorf("%s has %s", file, found)
		}
	}
}
