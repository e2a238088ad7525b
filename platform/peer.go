package platform

// Peer is who is at the other end of a local connection, as the kernel knows it.
// On Windows UID and GID only tell administrators, who have 0, from others.
type Peer struct {
	UID, GID, PID uint32
	User          string   // the name of UID or SID, empty if the system has none
	Groups        []uint32 // of the process, GID not necessarily among them
	Process       string   // the name of PID, empty if it is gone
	Started       uint64   // when PID began, by a clock of the system's; 0: not known

	SID       string   // of the user, on Windows
	GroupSIDs []string // of the process, those that are enabled
}
