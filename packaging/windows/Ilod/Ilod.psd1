@{
    RootModule = 'Ilod.psm1'
    ModuleVersion = '0.0.0'
    GUID = 'e7d42346-38e8-447f-9973-0a8c278f5b3b'
    Author = 'ilod authors'
    CompanyName = 'ilod authors'
    Copyright = 'Apache-2.0'
    Description = 'Redfish of the local HPE iLO, through ilod.exe: objects instead of text.'
    PowerShellVersion = '5.1'
    FunctionsToExport = @('Get-IlodResource', 'Set-IlodResource', 'Get-IlodHealth', 'Invoke-IlodBatch')
    CmdletsToExport = @()
    VariablesToExport = @()
    AliasesToExport = @()
    PrivateData = @{
        PSData = @{
            Tags = @('HPE', 'iLO', 'Redfish')
            LicenseUri = 'https://www.apache.org/licenses/LICENSE-2.0'
            ProjectUri = 'https://github.com/ilod/ilod'
        }
    }
}
