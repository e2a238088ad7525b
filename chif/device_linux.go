package chif

const maxRead = maxReadCount

func platformDevice() (Device, error) { return platformNodes(NodeDirectory) }

func platformNodes(dir string) (Device, error) {
	return &nodeDevice{dir: dir, settle: settle, sys: "/sys", proc: "/proc", open: openNode}, nil
}

func platformSocket(path string) (Device, error) { return socketDevice{path}, nil }

func platformLibrary(path string) (Device, error) { return unsupported("dll:" + path) }
