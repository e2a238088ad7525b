package platform

import (
	"fmt"
	"os"
	"strings"
)

// BootID names the time since the host's last boot (random(4)).
func BootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("boot id: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}

// Machine is what the firmware's tables (DMI) call this machine; what they do
// not tell, or not to this user, is empty.
func Machine() (serial, product string) {
	read := func(name string) string {
		content, _ := os.ReadFile("/sys/class/dmi/id/" + name)
		return strings.TrimSpace(string(content))
	}
	return read("product_serial"), read("product_name")
}
