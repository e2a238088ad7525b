package platform

import "golang.org/x/sys/windows/registry"

// WinPE reports that this is Windows PE: a small Windows in memory, with which
// servers are installed. It tells by a key of the registry.
func WinPE() bool {
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, `SYSTEM\CurrentControlSet\Control\MiniNT`, registry.QUERY_VALUE)
	if err != nil {
		return false
	}
	_ = key.Close()
	return true
}
