package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/ilod/ilod/agent/ilosession"
	"github.com/ilod/ilod/agent/plaintext"
)

// Credentials reads those of an iLO account: from CredentialsFile, or else from
// ilo-credentials in the directory that systemd keeps credentials in
// (systemd.exec(5), LoadCredential=). It returns nil if there is neither. The
// file is TOML with the keys username and password; CredentialsFile may be open
// to nobody but its owner.
func (c *Config) Credentials(getenv func(string) string) (*ilosession.Credentials, error) {
	name := c.CredentialsFile
	if dir := getenv("CREDENTIALS_DIRECTORY"); name == "" && dir != "" {
		name = filepath.Join(dir, "ilo-credentials")
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
	}
	if name == "" {
		return nil, nil
	}
	if info, err := os.Stat(name); err != nil {
		return nil, fmt.Errorf("%w: credentials: %w", ErrConfig, err)
	} else if mode := info.Mode().Perm(); mode&0o077 != 0 && name == c.CredentialsFile && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%w: credentials: others than the owner of %s have access (%s); run 'chmod 600' on it", ErrConfig, name, mode)
	}
	text, err := plaintext.ReadFile(name, maxFile)
	if err != nil {
		return nil, fmt.Errorf("%w: credentials: %w", ErrConfig, err)
	}
	var file struct {
		UserName string `toml:"username"`
		Password string `toml:"password"`
	}
	if err := decode(name, text, &file); errors.Is(err, plaintext.ErrEncoding) {
		return nil, err
	} else if err != nil {
		// The parser's own words may quote the password.
		return nil, fmt.Errorf("%w: credentials: %s wants the lines username = \"…\" and password = \"…\", and nothing else", ErrConfig, name)
	}
	if file.UserName == "" || file.Password == "" {
		return nil, fmt.Errorf("%w: credentials: %s lacks the user name or the password", ErrConfig, name)
	}
	return &ilosession.Credentials{UserName: file.UserName, Password: file.Password}, nil
}
