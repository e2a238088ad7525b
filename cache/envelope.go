package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// On disk a value is in an envelope: one byte of version, then the CRC-32C of key
// and value, little endian, then the value. BadgerDB's own checksums are off:
// checking them dereferences nil (seen with v4.9).
const (
	envelopeVersion = 1
	envelopeLength  = 1 + crc32.Size
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errDamaged = errors.New("damaged")
)

func checksum(key string, value []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(key), castagnoli), castagnoli, value)
}

// seal puts a value into its envelope.
func seal(key string, value []byte) []byte {
	sealed := make([]byte, envelopeLength, envelopeLength+len(value))
	sealed[0] = envelopeVersion
	binary.LittleEndian.PutUint32(sealed[1:], checksum(key, value))
	return append(sealed, value...)
}

// unseal returns a copy of the value in an envelope, never nil, or errDamaged.
func unseal(key string, sealed []byte) ([]byte, error) {
	if len(sealed) < envelopeLength || sealed[0] != envelopeVersion {
		return nil, fmt.Errorf("%s: envelope: %w", key, errDamaged)
	}
	value := append([]byte{}, sealed[envelopeLength:]...)
	if checksum(key, value) != binary.LittleEndian.Uint32(sealed[1:]) {
		return nil, fmt.Errorf("%s: checksum: %w", key, errDamaged)
	}
	return value, nil
}
