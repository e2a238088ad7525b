//go:build !linux && !windows

package chif

const maxRead = maxReadCount

func platformDevice() (Device, error) { return unsupported("auto") }

func platformNodes(dir string) (Device, error) { return unsupported(dir) }

func platformSocket(path string) (Device, error) { return unsupported("unix:" + path) }

func platformLibrary(path string) (Device, error) { return unsupported("dll:" + path) }
