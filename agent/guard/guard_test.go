package guard

import (
	"errors"
	"strings"
	"testing"
)

func TestDo(t *testing.T) {
	boom := errors.New("boom")
	if err := Do("work", func() error { return nil }); err != nil {
		t.Error(err)
	}
	if err := Do("work", func() error { return boom }); !errors.Is(err, boom) || err.Error() != "work: boom" {
		t.Error(err)
	}
	err := Do("work", func() error { panic("boom") })
	if err == nil || !strings.HasPrefix(err.Error(), "work: panic: boom\n") || !strings.Contains(err.Error(), "guard_test.go") {
		t.Error(err)
	}
}
