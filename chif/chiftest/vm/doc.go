// Package vm runs a guest in QEMU. The guest's own, unmodified hpilo driver talks to
// a simulated iLO: the simulator is the PCI function on the other end of
// QEMU's x-pci-proxy-dev. Kernel and driver come from Debian's kernel package.
//
// It needs Linux, qemu-system-x86_64, xz, dpkg-deb and apt-get, but no KVM and
// no privileges. Its facts are in PROTOCOL.md §10.
package vm
