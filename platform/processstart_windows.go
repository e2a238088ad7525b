package platform

import "golang.org/x/sys/windows"

// processStart is when a process began, and 0 if it has ended or cannot be seen.
func processStart(pid uint32) uint64 {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return 0
	}
	defer func() { _ = windows.CloseHandle(process) }()
	var began, ended, kernel, user windows.Filetime
	if windows.GetProcessTimes(process, &began, &ended, &kernel, &user) != nil || ended != (windows.Filetime{}) {
		return 0
	}
	return uint64(began.Nanoseconds())
}

// ProcessEnded tells whether the process of a Peer has ended. Another one with its number
// began at another time. What was not known of it is no proof.
func ProcessEnded(pid uint32, started uint64) bool {
	return started != 0 && processStart(pid) != started
}
