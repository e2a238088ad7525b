#!/bin/sh
# Makes deb, rpm and tar.gz of ilod for each architecture in build/packages, from
# build/dist/ilod-linux-ARCH, bin/ilod and build/man.
# usage: build.sh VERSION ARCH...
set -eu
cd "$(dirname "$0")/.."
VERSION=${1#v}
shift
: "${NFPM:=go run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0}"
: "${MAINTAINER:=ilod authors <ilod@users.noreply.github.com>}"
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
export VERSION ARCH MAINTAINER SOURCE_DATE_EPOCH
umask 022
out=build/packages
files=$out/files
rm -rf $out
mkdir -p $files/man/man1 $files/man/man7

for page in build/man/*.[1-9]; do
	gzip -9nc "$page" >"$files/man/man${page##*.}/${page##*/}.gz"
done
for shell in bash zsh fish; do
	bin/ilod completion $shell >$files/$shell
done
packaging/notices | gzip -9n >$files/notices.gz
cat >$out/changelog.yml <<X
- semver: "$VERSION-1"
  date: $(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
  packager: $MAINTAINER
  deb: {urgency: medium, distributions: [unstable]}
  changes:
    - note: See the log of the repository.
X

for ARCH in "$@"; do
	mkdir $out/"$ARCH"
	cp "build/dist/ilod-linux-$ARCH" $out/"$ARCH"/ilod
	for format in deb rpm; do
		$NFPM package -f packaging/nfpm.yaml -p $format -t $out/
	done
	# A tar.gz with the same files, relative to the root directory.
	root=$out/$ARCH/root
	mkdir "$root"
	dpkg-deb --fsys-tarfile $out/ilod_"$VERSION"-1_"$ARCH".deb |
		tar -C "$root" -x --exclude=./usr/share/lintian --exclude=./usr/share/doc/ilod/changelog.Debian.gz
	tar -C "$root" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -c . |
		gzip -9n >"$out/ilod-$VERSION-linux-$ARCH.tar.gz"
	rm -r "${out:?}/$ARCH"
done
