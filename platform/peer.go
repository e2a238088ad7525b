package platform

// Peer is who is at the other end of a local connection, as the kernel knows it.
type Peer struct {
	UID, GID, PID uint32
	User          string   // the name of UID, empty if the system has none
	Groups        []uint32 // of the process, GID not necessarily among them
	Process       string   // the name of PID, empty if it is gone
}
