// Package chif speaks to the local iLO of an HPE server over its CHIF channel:
// from the device node up to an http.RoundTripper.
//
// From the bottom: a Device opens Channels, which move whole packets; a Conn
// matches each request packet with its answer; the BlobStore2 requests carry
// HTTP messages too large for one packet; Transport is an http.RoundTripper on
// a small pool of channels. The package knows no sessions, keeps no cache and
// logs nothing.
package chif
