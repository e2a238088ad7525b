package gateway

import (
	"os"
	"strings"
	"testing"
)

// TestTheClientKnowsEachMessage: package client has a kind of error for each message of the
// agent's own.
func TestTheClientKnowsEachMessage(t *testing.T) {
	text, err := os.ReadFile("../client/error.go")
	if err != nil {
		t.Fatal(err)
	}
	for key := range own {
		if !strings.Contains(string(text), `redfisherror.Kind("Ilod.`+key+`")`) {
			t.Errorf("package client does not know %s", key)
		}
	}
}
