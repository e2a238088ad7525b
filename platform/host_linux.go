package platform

import (
	"fmt"
	"os"
	"path/filepath"
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

// serialCredential is the credential of systemd (systemd.exec(5)) that has the
// board's serial number, which Linux shows to root alone.
const serialCredential = "product-serial"

// Machine is what the firmware's tables (DMI) call this machine; what they do
// not tell, or not to this user, is empty.
func Machine() (serial, product string) { return machine("/sys/class/dmi/id") }

func machine(tables string) (serial, product string) {
	read := func(dir, name string) string {
		content, _ := os.ReadFile(filepath.Join(dir, name))
		return strings.TrimSpace(string(content))
	}
	serial = read(tables, "product_serial")
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); serial == "" && dir != "" {
		serial = read(dir, serialCredential)
	}
	return serial, read(tables, "product_name")
}
