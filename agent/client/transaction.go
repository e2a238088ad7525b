package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/ilod/ilod/agent/api"
)

// ErrNotStaged: a write was sent at once, since no transaction was open.
var ErrNotStaged = errors.New("it was sent at once, and the transaction is without it")

// Begin opens a transaction in the client session. It is thrown away when it was not used
// for the timeout; 0 is that of the limits. It fails with ErrTransactionOpen if there is
// one.
func (c *Client) Begin(ctx context.Context, timeout time.Duration) (api.Transaction, error) {
	var doc any
	if timeout != 0 {
		doc = api.Begin{Timeout: api.Seconds(timeout)}
	}
	return ask[api.Transaction](ctx, c, http.MethodPost, transaction, doc)
}

// Transaction describes the open transaction. It fails with ErrNoTransaction if there is
// none; the Error's Result is then a report that waits, if any does.
func (c *Client) Transaction(ctx context.Context) (api.Transaction, error) {
	return ask[api.Transaction](ctx, c, http.MethodGet, transaction, nil)
}

// Stage has a write kept for the commit: a DELETE, PATCH, POST or PUT of a resource of the
// iLO. The body is JSON, nil for none. It fails with ErrNotStaged if the agent has sent the
// write instead.
func (c *Client) Stage(ctx context.Context, method, path string, body []byte) (receipt api.Receipt, err error) {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return receipt, err
	}
	defer resp.Body.Close()
	text, err := readAll(resp)
	if err != nil {
		return receipt, err
	}
	receipt, ok := ReceiptOf(resp, text)
	if !ok {
		return receipt, fmt.Errorf("%s %s: %d: %w", method, path, resp.StatusCode, ErrNotStaged)
	}
	return receipt, nil
}

// ReceiptOf finds in the answer to a write, whose body has been read, whether it was
// staged.
func ReceiptOf(resp *http.Response, body []byte) (receipt api.Receipt, ok bool) {
	if resp.StatusCode != http.StatusAccepted || decode(body, "", &receipt) != nil || receipt.Transaction != transaction {
		return api.Receipt{}, false
	}
	return receipt, receipt.Staged > 0
}

// Changes returns what a commit would change, as the iLO is now. From and To are as
// encoding/json decodes them, with json.Number for numbers.
func (c *Client) Changes(ctx context.Context) ([]api.Change, error) {
	doc, err := ask[api.Changes](ctx, c, http.MethodGet, transaction+"/diff", nil)
	return doc.Changes, err
}

// Commit sends what is staged, and ends the transaction. If one of the writes fails, those
// before it are undone: the error is ErrRolledBack or ErrPartlyRolledBack, and its Result
// says what became of each write. The commit goes on when ctx ends.
func (c *Client) Commit(ctx context.Context) (api.Result, error) {
	return ask[api.Result](ctx, c, http.MethodPost, transaction+"/commit", nil)
}

// CommitNeeded is Commit without the PATCHes and PUTs that would change nothing, as the iLO
// is now. If none is left, nothing is sent, and the result is api.Unchanged. Numbers count
// the writes that were needed.
func (c *Client) CommitNeeded(ctx context.Context) (api.Run, error) {
	return ask[api.Run](ctx, c, http.MethodPost, transaction+"/commit?needed", nil)
}

// Rollback throws away what is staged.
func (c *Client) Rollback(ctx context.Context) (api.Result, error) {
	return ask[api.Result](ctx, c, http.MethodPost, transaction+"/rollback", nil)
}

// Acknowledge ends the report of an ID: the user was told.
func (c *Client) Acknowledge(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, transaction+"/reports/"+url.PathEscape(id), nil)
}
