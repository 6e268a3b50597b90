#!/bin/sh
# Setup hook: merges /usr before the first package is unpacked, as debootstrap does.
# Otherwise the usrmerge package would do it afterwards, and bring 50 MB of Perl.
set -eu
for directory in bin sbin lib lib32 lib64 libx32; do
    mkdir -p "$1/usr/$directory"
    ln -s "usr/$directory" "$1/$directory"
done
mkdir -p "$1/etc/apt/preferences.d"
printf 'Package: usrmerge\nPin: release *\nPin-Priority: -1\n' >"$1/etc/apt/preferences.d/muster"
