# The differences of Windows in packaging/ilod.toml.
s|See ilod(1)\.|See CONFIGURATION.md. It is\n# read from C:\\ProgramData\\ilod\\ilod.toml, of which only administrators may be the owner.|
s|"/var/lib/ilod"|'C:\\ProgramData\\ilod\\state'|
s|"/run/ilod"|'C:\\ProgramData\\ilod\\run'|
s|"/run/ilod/ilod.sock"|'\\\\.\\pipe\\ilod'|
s|; the service reads /etc/credstore/ilo-credentials||
s|the journal or text; text|text|
