package platform

import (
	"cmp"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sys/windows"
)

// AccountIDs returns the SIDs of users and groups, which are named as in
// DOMAIN\name or by their SIDs.
func AccountIDs(names []string) (ids []string, err error) {
	for _, name := range names {
		sid, err := accountSID(name)
		if err != nil {
			return nil, fmt.Errorf("account %q: %w", name, err)
		}
		ids = append(ids, sid.String())
	}
	return ids, nil
}

func accountSID(name string) (*windows.SID, error) {
	if strings.HasPrefix(name, "S-1-") {
		return windows.StringToSid(name)
	}
	sid, _, _, err := windows.LookupSID("", name)
	return sid, err
}

// elevated reports whether a token has the rights of an administrator: SYSTEM
// and members of Administrators, but for those whose membership User Account
// Control has switched off. The zero token is that of the calling thread.
func elevated(token windows.Token) (bool, error) {
	administrators, err := windows.CreateWellKnownSid(windows.WinBuiltinAdministratorsSid)
	if err != nil {
		return false, err
	}
	return token.IsMember(administrators)
}

// ownSID is the user of this process.
func ownSID() (*windows.SID, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, err
	}
	return user.User.Sid, nil
}

// trusted reports whether what an account owns may be relied on: that of SYSTEM,
// of Administrators and of this user.
func trusted(owner *windows.SID) (bool, error) {
	if owner.IsWellKnown(windows.WinLocalSystemSid) || owner.IsWellKnown(windows.WinBuiltinAdministratorsSid) {
		return true, nil
	}
	own, err := ownSID()
	return err == nil && owner.Equals(own), err
}

// ours fails with ErrNotOurs unless the owner in a security descriptor is trusted.
func ours(sd *windows.SECURITY_DESCRIPTOR) error {
	owner, _, err := sd.Owner()
	if err != nil {
		return err
	}
	if ok, err := trusted(owner); err != nil || ok {
		return err
	}
	return fmt.Errorf("%w: %s", ErrNotOurs, cmp.Or(accountName(owner), owner.String()))
}

// accountNames are the names that were looked up, by SID: to ask a domain may take
// long.
var accountNames sync.Map

// accountName is DOMAIN\name, empty if the system knows none.
func accountName(sid *windows.SID) string {
	known, ok := accountNames.Load(sid.String())
	if !ok {
		known = ""
		if account, domain, _, err := sid.LookupAccount(""); err == nil {
			known = domain + `\` + account
		}
		accountNames.Store(sid.String(), known)
	}
	return known.(string)
}

// privateSD is a security descriptor that gives SYSTEM and Administrators all
// rights, and others none but this user, if he is no administrator. flags are
// those of its access control entries, more is further ones (SDDL).
func privateSD(flags, more string) (*windows.SECURITY_DESCRIPTOR, error) {
	admin, err := elevated(0)
	if err != nil {
		return nil, err
	}
	owner := "BA"
	entry := func(sid string) string { return "(A;" + flags + ";FA;;;" + sid + ")" }
	list := entry("SY") + entry("BA")
	if !admin {
		own, err := ownSID()
		if err != nil {
			return nil, err
		}
		owner = own.String()
		list += entry(owner)
	}
	return windows.SecurityDescriptorFromString("O:" + owner + "D:P" + list + more)
}
