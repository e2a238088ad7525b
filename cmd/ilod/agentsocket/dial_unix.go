//go:build unix

package agentsocket

import (
	"context"
	"net"

	"github.com/ilod/ilod/platform"
)

// dial connects to the agent. An answer may take until systemd has started one.
func dial(ctx context.Context, path string) (net.Conn, error) { return platform.Dial(ctx, path) }
