// Package chif speaks to the local iLO of an HPE server over its CHIF channel. It is
// the last step of a request: from an http.RoundTripper down to the device node.
//
// From the bottom up: a Device opens Channels, which move whole packets. A Conn matches
// each request packet with its answer. The BlobStore2 requests carry HTTP messages that
// are too large for one packet. Transport is an http.RoundTripper on a small pool of
// channels. The package knows no sessions, keeps no cache and logs nothing.
// PROTOCOL.md describes the packets.
package chif
