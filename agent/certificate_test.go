package agent

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"
)

// TestOwnCertificateVouchesForThisHostAlone: whoever had its key could make no
// certificate of another name that a client takes.
func TestOwnCertificateVouchesForThisHostAlone(t *testing.T) {
	now := time.Now()
	own, err := selfSigned(now)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(own.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if _, err := ca.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, template := range []*x509.Certificate{{DNSNames: []string{"ilo.example"}}, {IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}}} {
		template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), now.Add(-time.Hour), now.Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, own.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		forged, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := forged.Verify(x509.VerifyOptions{Roots: roots}); err == nil {
			t.Errorf("%v %v is vouched for", template.DNSNames, template.IPAddresses)
		}
	}
}
