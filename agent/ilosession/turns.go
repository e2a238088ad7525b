package ilosession

import (
	"context"
	"net/http"
)

// send is an http.RoundTripper that is a function.
type send func(*http.Request) (*http.Response, error)

func (s send) RoundTrip(req *http.Request) (*http.Response, error) { return s(req) }

// sendKey is the key of a send in the context of a request that has waited for its
// turn.
type sendKey struct{}

// inTurn has a request wait for its turn, which is then the Keeper's to carry out
// in its own way. Nothing that others may wait for is held meanwhile, neither a
// change of the session nor a use of it: they would hold all turns.
func (k *Keeper) inTurn(req *http.Request, s send) (*http.Response, error) {
	if k.o.Turns == nil {
		return s(req)
	}
	return k.o.Turns.RoundTrip(req.WithContext(context.WithValue(req.Context(), sendKey{}, s)))
}

// turn waits for a turn for work that is more than one request. It returns what f
// does.
func (k *Keeper) turn(ctx context.Context, method string, f func() error) error {
	req, err := http.NewRequestWithContext(ctx, method, "https://ilo"+collection, nil)
	if err != nil {
		return err
	}
	_, err = k.inTurn(req, func(*http.Request) (*http.Response, error) { return &http.Response{Body: http.NoBody}, f() })
	return err
}

// direct is the way of requests that need no session, each in its turn.
func (k *Keeper) direct() http.RoundTripper {
	return send(func(req *http.Request) (*http.Response, error) { return k.inTurn(req, k.o.Next.RoundTrip) })
}
