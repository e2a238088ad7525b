package chif

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vector is a packet that HPE's own client library built (testdata/README.md).
type vector struct {
	Name    string `json:"name"`
	Builder string `json:"builder"`
	Args    struct {
		Key         string `json:"key"`
		Namespace   string `json:"namespace"`
		RequestKey  string `json:"request_key"`
		ResponseKey string `json:"response_key"`
		Offset      uint32 `json:"offset"`
		Count       uint32 `json:"count"`
		DataLength  uint32 `json:"data_length"`
	} `json:"args"`
	PacketHex string `json:"packet_hex"`
}

func loadVectors(t testing.TB) []vector {
	t.Helper()
	var file struct {
		Vectors []vector `json:"vectors"`
	}
	readVectors(t, &file)
	return file.Vectors
}

// readVectors decodes what was observed of HPE's client. It is a part of the
// project: without it the test fails.
func readVectors(tb testing.TB, v any) {
	tb.Helper()
	raw, err := os.ReadFile("testdata/chif-vectors.json")
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		tb.Fatal(err)
	}
}

// pack builds v's packet with our packers and the sequence 0.
func (v vector) pack() ([]byte, error) {
	a := v.Args
	name, err := makeBlobName(a.Namespace, a.Key)
	rsp, err2 := makeBlobName(a.Namespace, a.ResponseKey)
	req, err3 := makeBlobName(a.Namespace, a.RequestKey)
	if err := errors.Join(err, err2, err3); err != nil {
		return nil, err
	}
	switch v.Builder {
	case "create_not_blobentry":
		return appendCreate(nil, 0, name), nil
	case "write_fragment":
		return appendWrite(nil, 0, name, a.Offset, a.Count), nil
	case "get_info":
		return appendInfo(nil, 0, name), nil
	case "read_fragment":
		return appendRead(nil, 0, name, a.Offset, a.Count), nil
	case "delete_blob":
		return appendDelete(nil, 0, name), nil
	case "finalize_blob":
		return appendFinalize(nil, 0, name), nil
	case "rest_immediate":
		return appendRESTImmediate(nil, 0, rsp, a.DataLength), nil
	case "rest_immediate_blobdesc":
		return appendRESTBlob(nil, 0, req, rsp), nil
	case "get_security_state":
		return appendStatus(nil, 0), nil
	}
	return nil, fmt.Errorf("unknown builder %q", v.Builder)
}

// legal reports names that fit with their NUL.
func (v vector) legal() bool {
	a := v.Args
	return len(a.Namespace) <= 15 && max(len(a.Key), len(a.RequestKey), len(a.ResponseKey)) <= 31
}

func TestPackersReproduceHPEsPackets(t *testing.T) {
	vectors := loadVectors(t)
	if len(vectors) != 164 {
		t.Fatalf("%d vectors, want 164", len(vectors))
	}
	for _, v := range vectors {
		if v.Builder == "list_blob" { // another command, which ilod never sends
			continue
		}
		packet, err := v.pack()
		if !v.legal() {
			if !errors.Is(err, ErrInvalidRequest) {
				t.Errorf("%s: an over-long name is not refused: %v", v.Name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		want, err := hex.DecodeString(v.PacketHex)
		if err != nil {
			t.Fatal(err)
		}
		if v.Builder == "delete_blob" || v.Builder == "finalize_blob" {
			// The library builds 124 bytes and sends the 64 of the size field.
			want = want[:64]
		}
		if diff := cmp.Diff(want, packet); diff != "" {
			t.Errorf("%s: %s", v.Name, diff)
		}
	}
}
