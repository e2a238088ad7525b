package platform

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// processStart is when a process began, in clock ticks since the boot, and 0 if it has
// ended or cannot be seen (proc_pid_stat(5): field 22; the state is field 3, behind the
// name, which is in parentheses).
func processStart(pid uint32) uint64 {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return 0
	}
	ticks, _ := strconv.ParseUint(fields[19], 10, 64)
	return ticks
}

// ProcessEnded tells whether the process of a Peer has ended. Another one with its number
// began at another time. What was not known of it is no proof.
func ProcessEnded(pid uint32, started uint64) bool {
	return started != 0 && processStart(pid) != started
}
