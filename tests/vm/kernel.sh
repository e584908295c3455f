#!/usr/bin/env bash
# A kernel for the guest: Debian's cloud kernel, unpacked, never installed. Gives vmlinuz, modules.erofs
# (everything, uncompressed) and the few modules that the initramfs needs.
# usage: kernel.sh 6.1|6.12|7.2 OUTPUT-DIRECTORY   (as root)

# shellcheck source=tests/vm/debian.sh
. "$(dirname "$0")/debian.sh"

case $1 in
    6.1) suite=bookworm ;;
    6.12) suite=trixie ;;
    7.2) suite=sid ;;
    *) die "no kernel $1: there are 6.1, 6.12 and 7.2" ;;
esac
out=$2
tree=$(mktemp -d "$CACHE/kernel.XXXXXX")
trap 'rm -rf "$tree" "$out.part"' EXIT

download "$suite" linux-image-cloud-amd64
while read -r package; do
    dpkg-deb -x "$(newest_download "$package")" "$tree"
done <"$DOWNLOADS/linux-image-cloud-amd64.list"

# Before usr was merged in packages too, modules were in /lib.
[ -d "$tree/usr/lib/modules" ] || { mkdir -p "$tree/usr/lib"; mv "$tree/lib/modules" "$tree/usr/lib/modules"; }
modules=$(find "$tree/usr/lib/modules" -mindepth 1 -maxdepth 1 -type d)
version=${modules##*/}
case $version in "$1".*) ;; *) say "Debian $suite now has kernel $version, not $1" ;; esac
vmlinuz=$(find "$tree" -name 'vmlinuz*' -type f | head -n 1)
[ -n "$vmlinuz" ] || die "kernel $version: no vmlinuz in Debian's packages"

say "kernel $version: packing its modules"
mkdir -p "$out.part" "$tree/pack/lib/modules"
cp "$vmlinuz" "$out.part/vmlinuz"
mv "$modules" "$tree/pack/lib/modules/$version"
find "$tree/pack" -name '*.ko.xz' -exec xz -d {} +
find "$tree/pack" -name '*.ko.zst' -exec zstd -q -d --rm {} +
# sid's packages come without the lists of what is built in.
touch "$tree/pack/lib/modules/$version"/modules.{order,builtin,builtin.modinfo}
depmod -b "$tree/pack" "$version"
mkfs.erofs -zlz4 "$out.part/modules.erofs" "$tree/pack/lib/modules" >/dev/null

# A built-in one has no file, and modprobe names none.
mkdir -p "$out.part/initramfs-modules"
n=10
declare -A seen
for module in virtio_pci virtio_blk virtio_console erofs overlay; do
    while read -r word file _; do
        if [ "$word" != insmod ] || [ -n "${seen[$file]:-}" ]; then continue; fi
        seen[$file]=1
        cp "$file" "$out.part/initramfs-modules/$n-${file##*/}"
        n=$((n + 1))
    done < <(modprobe -d "$tree/pack" -S "$version" --show-depends "$module" 2>/dev/null || true)
done
printf '%s\n' "$version" >"$out.part/version"
rm -rf "$out"
mv "$out.part" "$out"
