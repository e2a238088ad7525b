package agent

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"path/filepath"
	"time"

	"github.com/ilod/ilod/agent/gateway"
	"github.com/ilod/ilod/platform/ownedfile"
)

const (
	// tlsUser is the local account of the TLS listener; its password is in
	// tlsLogin in the runtime directory, new at each start.
	tlsUser  = "ilod"
	tlsLogin = "tls-login.toml"
	// tlsCertificate is the self-made certificate in the runtime directory, for
	// clients that check it.
	tlsCertificate = "tls-certificate.pem"
	// certificateLife is how long a self-made certificate is good for; a new one
	// is made at each start.
	certificateLife = 398 * 24 * time.Hour
)

// tlsAccounts are the logins of the TLS listener: one, for whom may read its
// password.
func (c *Config) tlsAccounts() ([]gateway.Account, error) {
	if c.TLS.Listen == "" {
		return nil, nil
	}
	a := gateway.Account{Name: tlsUser, Password: rand.Text(), Role: gateway.Admin}
	text := fmt.Sprintf("username = %q\npassword = %q\n", a.Name, a.Password)
	if err := ownedfile.Replace(filepath.Join(c.RuntimeDir, tlsLogin), []byte(text), 0o600, false); err != nil {
		return nil, err
	}
	return []gateway.Account{a}, nil
}

func (c *Config) certificate() (tls.Certificate, error) {
	if c.TLS.Certificate != "" {
		return tls.LoadX509KeyPair(c.TLS.Certificate, c.TLS.Key)
	}
	certificate, err := selfSigned(time.Now())
	if err != nil {
		return certificate, err
	}
	var text bytes.Buffer
	if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}); err != nil {
		return certificate, err
	}
	return certificate, ownedfile.Replace(filepath.Join(c.RuntimeDir, tlsCertificate), text.Bytes(), 0o644, false)
}

// selfSigned makes a certificate for this host's loopback addresses, whose key is
// in no file.
func selfSigned(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "ilod on this host"},
		// The clock may be set later on.
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		// So that clients can be told to trust it, but for nothing else.
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: []string{"localhost"},
		PermittedIPRanges: []*net.IPNet{{IP: net.IPv4(127, 0, 0, 1).To4(), Mask: net.CIDRMask(32, 32)}, {IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
