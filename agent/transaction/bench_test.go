package transaction

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// BenchmarkCommit is begin, stage and commit of some writes to one resource,
// with a journal on the disk and in memory, on an iLO that takes no time.
func BenchmarkCommit(b *testing.B) {
	for name, dir := range map[string]func() string{
		"disk": b.TempDir, "memory": func() string { return memoryDir(b) }, "none": func() string { return "" },
	} {
		for _, writes := range []int{1, 10} {
			b.Run(fmt.Sprintf("%s/%d", name, writes), func(b *testing.B) {
				f := newFixture(b, redfish.Options{})
				f.dir = dir()
				f.start(Options{})
				f.o.Log.(*logrus.Logger).SetOutput(io.Discard)
				for n := 0; b.Loop(); n++ {
					f.begin()
					for i := range writes {
						f.stage("PATCH", network, fmt.Sprintf(`{"HostName":"host-%d-%d"}`, n, i))
					}
					if _, err := f.Commit(context.Background(), "s"); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
