package clients

// Lease is the use of a client session by one request.
type Lease struct{}

// Session is the session as it is now.
func (*Lease) Session() Session { return Session{} }

// Release ends the use. Only the first call counts.
func (*Lease) Release() {}
