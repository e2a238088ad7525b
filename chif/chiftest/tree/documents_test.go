package tree

import (
	"encoding/json"
	"testing"
)

func TestDocuments(t *testing.T) {
	const n = 200
	tr := Documents(n)
	if again := Documents(n); again.Len() != tr.Len() || string(again.Resources()[tr.Len()-1].Body) != string(tr.Resources()[tr.Len()-1].Body) {
		t.Error("it is another one the second time")
	}
	directory, ok := tr.Lookup(Root + "/ResourceDirectory")
	var list struct {
		Instances []struct {
			ID string `json:"@odata.id"`
		}
	}
	if err := json.Unmarshal(directory.Body, &list); !ok || err != nil || len(list.Instances) != n {
		t.Fatalf("the directory lists %d, %v", len(list.Instances), err)
	}
	bytes := 0
	for i, instance := range list.Instances {
		r, ok := tr.Lookup(DocumentURI(i))
		if !ok || instance.ID != r.URI {
			t.Errorf("document %d is listed as %s and there: %t", i, instance.ID, ok)
		}
		bytes += len(r.Body)
	}
	if mean := bytes / n; mean < 9000 || mean > 14000 {
		t.Errorf("%d bytes on average", mean)
	}
}
