package chif

const maxRead = MaxRead

func platformDevice() (Device, error) { return platformNodes(NodeDirectory) }

func platformNodes(dir string) (Device, error) { return NodeDevice(dir, DefaultSettle), nil }

func platformSocket(path string) (Device, error) { return socketDevice{path}, nil }

func platformLibrary(path string) (Device, error) { return unsupported("dll:" + path) }
