// Package guest holds the tests that run inside the virtual machine of package vm.
// There its test binary is process 1. Anywhere else the tests skip.
package guest
