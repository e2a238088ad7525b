# Functions that run ilod.exe and return objects instead of text.
Set-StrictMode -Version 2

# Find-Program returns the path of ilod.exe: in the zip with this module, in the
# installation, or in PATH. It does not look in the current directory.
function Find-Program {
    foreach ($directory in @((Split-Path -Parent $PSScriptRoot), (Join-Path ([Environment]::GetFolderPath('ProgramFiles')) 'ilod'))) {
        $program = Join-Path $directory 'ilod.exe'
        if (Test-Path -LiteralPath $program -PathType Leaf) {
            return $program
        }
    }
    return @(Get-Command -Name 'ilod' -CommandType Application -ErrorAction Stop)[0].Source
}

# ConvertTo-Argument quotes a word for the command line of a Windows program.
function ConvertTo-Argument([string] $Word) {
    '"' + (($Word -replace '(\\*)"', '$1$1\"') -replace '(\\+)$', '$1$1') + '"'
}

# Invoke-Program runs ilod with words and standard input, and returns what it prints.
# A failure becomes an error of the cmdlet; its id is the name of the exit code.
function Invoke-Program([System.Management.Automation.PSCmdlet] $Caller, [string[]] $Words, [string] $Text, [object] $Target) {
    # No pipeline: it would convert text to the console's code page.
    $utf8 = New-Object System.Text.UTF8Encoding $false
    $start = New-Object System.Diagnostics.ProcessStartInfo
    $start.FileName = Find-Program
    $start.Arguments = @($Words | ForEach-Object { ConvertTo-Argument $_ }) -join ' '
    $start.UseShellExecute = $false
    $start.CreateNoWindow = $true
    $start.RedirectStandardInput = $true
    $start.RedirectStandardOutput = $true
    $start.RedirectStandardError = $true
    $start.StandardOutputEncoding = $utf8
    $start.StandardErrorEncoding = $utf8
    $process = [System.Diagnostics.Process]::Start($start)
    try {
        $said = $process.StandardError.ReadToEndAsync()
        $printed = $process.StandardOutput.ReadToEndAsync()
        try {
            $bytes = $utf8.GetBytes($Text)
            $process.StandardInput.BaseStream.Write($bytes, 0, $bytes.Length)
            $process.StandardInput.Close()
        } catch [System.IO.IOException] {
            # ilod ended before it read everything, and says why.
            $Caller.WriteVerbose($_.Exception.Message)
        }
        $process.WaitForExit()
        $code = $process.ExitCode
        $lines = $said.Result
        $output = $printed.Result
    } finally {
        $process.Dispose()
    }
    $failure = $null
    foreach ($line in ($lines -split '\r?\n')) {
        if ($line -like '{"error":*') {
            $failure = (ConvertFrom-Json -InputObject $line).error
        } elseif ($line) {
            $Caller.WriteVerbose($line)
        }
    }
    if ($code -eq 105 -and $null -ne $failure) { # the iLO still works at the writes
        $Caller.WriteWarning($failure.message)
    } elseif ($code -ne 0) {
        $name = "EXIT_CODE_$code"
        $message = "ilod has ended with exit code $code"
        if ($null -ne $failure) {
            $name = $failure.name
            $message = $failure.message
            if ($failure.PSObject.Properties['hint']) {
                $message += '; ' + $failure.hint
            }
        }
        $category = switch ($code) {
            2 { 'InvalidArgument' }
            5 { 'PermissionDenied' }
            { $_ -in 6, 25, 27 } { 'ObjectNotFound' }
            28 { 'InvalidData' }
            { $_ -in 33, 34, 67, 94 } { 'ResourceUnavailable' }
            { $_ -in 91, 92, 95 } { 'ResourceBusy' }
            default { 'NotSpecified' }
        }
        $exception = New-Object System.InvalidOperationException "${name}: $message"
        $exception.Data['ExitCode'] = $code
        $Caller.WriteError((New-Object System.Management.Automation.ErrorRecord $exception, $name, $category, $Target))
    }
    return $output
}

<#
.SYNOPSIS
Gets resources of the local iLO, or some of their properties.
.DESCRIPTION
Each resource is an object with the iLO's own properties. A running agent answers from its cache if that is fresh enough.
.PARAMETER Path
Paths of resources, such as /redfish/v1/Systems/1/.
.PARAMETER Type
The type of resources, such as ComputerSystem. or Bios.
.PARAMETER Property
Properties of these, such as Model or Status/Health. Default: all.
.PARAMETER Filter
Only resources that match, such as Status/Health=OK.
.PARAMETER Fresh
Ask the iLO, not the cache.
.EXAMPLE
Get-IlodResource /redfish/v1/Systems/1/
.EXAMPLE
Get-IlodResource -Type ComputerSystem. -Property Model, SerialNumber
#>
function Get-IlodResource {
    [CmdletBinding(DefaultParameterSetName = 'Path')]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ParameterSetName = 'Path')]
        [ValidatePattern('^\.{0,2}/')]
        [string[]] $Path,

        [Parameter(Mandatory = $true, ParameterSetName = 'Type')]
        [ValidateNotNullOrEmpty()]
        [string] $Type,

        [Parameter(ParameterSetName = 'Type')]
        [ValidatePattern('^[^-./]')]
        [string[]] $Property = @(),

        [Parameter(ParameterSetName = 'Type')]
        [string] $Filter,

        [switch] $Fresh
    )
    process {
        $words = @('get', '--json')
        if ($Fresh) {
            $words += '--fresh'
        }
        if ($PSCmdlet.ParameterSetName -eq 'Path') {
            $runs = @($Path | ForEach-Object { , ($words + $_) })
        } else {
            $words += "--select=$Type"
            if ($Filter) {
                $words += "--filter=$Filter"
            }
            $runs = @(, ($words + $Property))
        }
        foreach ($run in $runs) {
            $json = Invoke-Program $PSCmdlet $run '' $run[-1]
            if ($json) {
                # Not one pipeline: PowerShell 5.1 would emit an array as one object.
                $value = ConvertFrom-Json -InputObject $json
                $value
            }
        }
    }
}

<#
.SYNOPSIS
Changes properties of resources of the local iLO, all in one transaction.
.DESCRIPTION
It sends only what differs. If one change fails, ilod undoes the changes before it. -WhatIf says what would change.
Values go to ilod through its standard input, so nobody sees them among the arguments.
.PARAMETER Path
The path of the resource, such as /redfish/v1/Systems/1/. For BIOS settings give the path of the pending settings.
.PARAMETER Property
Properties and their values, as a hash table or an object.
.EXAMPLE
Set-IlodResource /redfish/v1/Systems/1/ @{ AssetTag = 'rack 7' } -WhatIf
.EXAMPLE
Set-IlodResource /redfish/v1/Systems/1/Bios/Settings/ @{ Attributes = @{ BootMode = 'Uefi' } }
#>
function Set-IlodResource {
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipelineByPropertyName = $true)]
        [ValidatePattern('^/')]
        [string] $Path,

        [Parameter(Mandatory = $true, Position = 1, ValueFromPipelineByPropertyName = $true)]
        [ValidateNotNull()]
        [object] $Property
    )
    begin {
        $operations = @()
    }
    process {
        $operations += @{ method = 'PATCH'; path = $Path; body = $Property }
    }
    end {
        if ($operations.Count -eq 0) {
            return
        }
        $text = ConvertTo-Json -InputObject @{ operations = $operations } -Depth 32 -Compress
        $paths = @($operations | ForEach-Object { $_.path }) -join ', '
        $json = Invoke-Program $PSCmdlet @('tx', 'run', '--needed', '--dry-run', '--json', '-') $text $paths
        if (-not $json) {
            return
        }
        $plan = ConvertFrom-Json -InputObject $json
        if (@($plan.changes).Count -eq 0) {
            return $plan
        }
        $changes = @($plan.changes | ForEach-Object {
                '{0}{1}: {2} -> {3}' -f $_.path, $_.property, (ConvertTo-Json -InputObject $_.from -Compress), (ConvertTo-Json -InputObject $_.to -Compress)
            }) -join "`n"
        if ($PSCmdlet.ShouldProcess($changes, 'Set')) {
            $json = Invoke-Program $PSCmdlet @('tx', 'run', '--needed', '--json', '-') $text $paths
            if ($json) {
                ConvertFrom-Json -InputObject $json
            }
        }
    }
}

<#
.SYNOPSIS
Gets the state of the server: its parts, firmware, licences and latest critical events.
.EXAMPLE
(Get-IlodHealth).parts | Where-Object state -ne 'OK'
#>
function Get-IlodHealth {
    [CmdletBinding()]
    [OutputType([psobject])]
    param()
    $json = Invoke-Program $PSCmdlet @('health', '--json') '' $null
    if ($json) {
        ConvertFrom-Json -InputObject $json
    }
}

<#
.SYNOPSIS
Runs commands of ilod in one session on the iLO, and returns what they print as objects.
.PARAMETER Path
A file with one command on each line, as for ilod batch.
.PARAMETER Command
The commands themselves.
.PARAMETER KeepGoing
Go on after a failure.
.EXAMPLE
Invoke-IlodBatch deploy.ilod
.EXAMPLE
Invoke-IlodBatch -Command 'select Bios.', 'get BootMode'
#>
function Invoke-IlodBatch {
    [CmdletBinding(DefaultParameterSetName = 'Path')]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ParameterSetName = 'Path')]
        [ValidateNotNullOrEmpty()]
        [string] $Path,

        [Parameter(Mandatory = $true, ParameterSetName = 'Command')]
        [string[]] $Command,

        [switch] $KeepGoing
    )
    if ($PSCmdlet.ParameterSetName -eq 'Path') {
        $text = [System.IO.File]::ReadAllText($PSCmdlet.GetUnresolvedProviderPathFromPSPath($Path))
    } else {
        $text = $Command -join "`n"
    }
    $words = @('--jq=tojson', '--raw', 'batch', '-') # one value on each line
    if ($KeepGoing) {
        $words += '--keep-going'
    }
    $lines = Invoke-Program $PSCmdlet $words $text $Path
    foreach ($line in ($lines -split '\r?\n')) {
        if ($line) {
            $value = ConvertFrom-Json -InputObject $line
            $value
        }
    }
}

Export-ModuleMember -Function @('Get-IlodResource', 'Set-IlodResource', 'Get-IlodHealth', 'Invoke-IlodBatch')
