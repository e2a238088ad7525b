package health

type managerExt struct {
	Firmware struct {
		Current struct{ VersionString string }
	}
	License            struct{ LicenseString, LicenseType string }
	Links              struct{ LicenseService ref }
	ILOSelfTestResults []struct{ SelfTestName, Status, Notes string }
}

// manager reads an iLO: its state, firmware and licences.
func (r *reader) manager(link string) {
	var m struct {
		Model, FirmwareVersion string
		Firmware               struct {
			Current struct{ VersionString string }
		}
		Status status
		Oem    oem[managerExt]
	}
	if !r.read("ilo", link, &m) {
		return
	}
	ext := m.Oem.get()
	r.firmware("ilo", first(m.FirmwareVersion, m.Firmware.Current.VersionString, ext.Firmware.Current.VersionString))
	r.add("ilo", m.Status.component(first(m.Model, last(link)), link))
	for _, test := range ext.ILOSelfTestResults {
		if s, bad := map[string]State{"Degraded": Warning, "Warning": Warning, "Critical": Critical, "Failed": Critical}[test.Status]; bad {
			r.add("ilo", Component{test.SelfTestName, s, first(test.Notes, "self-test: "+test.Status), link})
		}
	}
	license := License{Name: ext.License.LicenseString, Type: ext.License.LicenseType}
	for _, member := range r.members("license", ext.Links.LicenseService) {
		var l struct{ License, LicenseType, LicenseExpire string }
		if r.read("license", member, &l) && first(l.License) != "" {
			r.report.Licenses = append(r.report.Licenses, License{l.License, first(l.LicenseType, license.Type), l.LicenseExpire})
		}
	}
	if len(r.report.Licenses) == 0 && license.Name != "" {
		r.report.Licenses = []License{license}
	}
}
