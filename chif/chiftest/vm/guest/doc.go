// Package guest holds the tests that run inside the virtual machine of package
// vm, where its test binary is process 1. Started anywhere else they skip.
package guest
