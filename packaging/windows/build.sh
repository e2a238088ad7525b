#!/bin/sh
# Makes the msi and the zip in build/windows, or in OUT, from build/dist/ilod-windows-amd64.exe.
# usage: build.sh VERSION
# It signs the program and the msi if SIGN_CERT and SIGN_KEY are set. SIGN_CERT is a file
# with the certificate and its chain, SIGN_KEY a file with its key, SIGN_PASS a file with
# the key's password, SIGN_TS the address of a time stamp authority.
set -eu
[ $# -eq 1 ] || {
	sed -n '3s/^# //p' "$0" >&2
	exit 2
}
cd "$(dirname "$0")/../.."
version=${1#v}
: "${SIGN_CERT:=}" "${SIGN_KEY:=}" "${SIGN_PASS:=}" "${SIGN_TS:=}"
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
if [ -n "$SIGN_CERT$SIGN_KEY$SIGN_PASS$SIGN_TS" ] && { [ -z "$SIGN_CERT" ] || [ -z "$SIGN_KEY" ]; }; then
	echo 'build.sh: a signature needs both SIGN_CERT and SIGN_KEY' >&2
	exit 2
fi
export TZ=UTC
umask 022

# Installers compare three numbers. A build without a release has its commit's number.
number=${version%%[-+~]*}
case $number in
0.0.0) number=0.0.$(git rev-list --count HEAD) ;;
[0-9]*.[0-9]*.[0-9]*) ;;
*)
	echo "build.sh: $1 does not begin with three numbers" >&2
	exit 2
	;;
esac
next=${number%.*}.$((${number##*.} + 1))

sign() {
	[ -n "$SIGN_CERT" ] || return 0
	osslsigncode sign -h sha256 -n ilod -i https://github.com/ilod/ilod -certs "$SIGN_CERT" -key "$SIGN_KEY" \
		${SIGN_PASS:+-readpass "$SIGN_PASS"} ${SIGN_TS:+-ts "$SIGN_TS"} -in "$1" -out "$1.signed" >/dev/null
	mv "$1.signed" "$1"
}
# text copies a text file and gives it CRLF line ends.
text() { sed 's/\r*$/\r/' "$1" >"$2"; }

out=${OUT:-build/windows}
files=$out/ilod-$version-windows-amd64
rm -rf "$out"
mkdir -p "$files/Ilod" "$files/winpe"
cp build/dist/ilod-windows-amd64.exe "$files/ilod.exe"
sign "$files/ilod.exe"
text LICENSE "$files/LICENSE.txt"
GOOS=windows packaging/notices >"$out/text"
text "$out/text" "$files/notices.txt"
sed -f packaging/windows/ilod.toml.sed packaging/ilod.toml >"$out/text"
text "$out/text" "$files/ilod.toml.example"
for doc in packaging/windows/README.md cmd/ilod/COMMANDS.md agent/CONFIGURATION.md agent/SESSIONS.md; do
	text $doc "$files/${doc##*/}"
done
for file in packaging/windows/Ilod/*; do
	text "$file" "$files/Ilod/${file##*/}"
done
sed -i "s/^    ModuleVersion = .*/    ModuleVersion = '$number'\r/" "$files/Ilod/Ilod.psd1"
for file in packaging/winpe/*.cmd packaging/winpe/*.ini packaging/winpe/ilod.toml packaging/winpe/README.md packaging/linuxpe/deploy.ilod; do
	text "$file" "$files/winpe/${file##*/}"
done
find "$files" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
(cd "$out" && find "${files##*/}" -type f | LC_ALL=C sort | zip -q -X "${files##*/}.zip" -@)

# wixl looks for files in the directory of the description.
cp packaging/windows/ilod.wxs "$files/"
wixl -a x64 -D "Version=$number" -D "Next=$next" -o "$out/ilod.msi" "$files/ilod.wxs"
printf 'Environment\tName\tValue\tComponent_\r\ns72\tl255\tL255\ts72\r\nEnvironment\tEnvironment\r\nPath\t=-*PATH\t[~];[INSTALLDIR]\tProgram\r\n' >"$out/Environment.idt"
msibuild "$out/ilod.msi" -i "$out/Environment.idt"
sign "$out/ilod.msi"
rm -r "$files" "$out/Environment.idt" "$out/text"
mv "$out/ilod.msi" "$out/ilod-$version-x64.msi"
