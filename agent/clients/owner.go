package clients

// Owner is who has a client session, as the kernel or a login has told.
type Owner struct {
	Key     string // "uid:1000" for a user of this host, "account:NAME" for one of the TLS listener
	Name    string // for people
	PID     uint32 // of the process that asks, 0 if not known
	Process string // its name
}

// accountPrefix begins the keys of those whose handle alone is enough.
const accountPrefix = "account:"
