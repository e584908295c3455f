#!/usr/bin/env bash
# A Debian root with systemd, udev, LVM2, both initramfs makers, Debian's own mdadm and the kernel's modules: what a machine
# looks like before our package is installed.
# usage: root.sh KERNEL-DIRECTORY OUTPUT.tar   (as root)

# shellcheck source=tests/vm/debian.sh
. "$(dirname "$0")/../vm/debian.sh"

# dracut-core, not dracut: that one conflicts with initramfs-tools.
PACKAGES=systemd,systemd-sysv,udev,dbus,kmod,procps,util-linux,mount,mdadm,lvm2,dmsetup,e2fsprogs
PACKAGES+=,initramfs-tools,dracut-core,busybox,zstd,cpio,rsync

kernel=$1 out=$2
tree=$(mktemp -d "$CACHE/boot-root.XXXXXX")
trap 'rm -rf "$tree"' EXIT

debian_tree minbase trixie "$tree" "--include=$PACKAGES"
version=$(cat "$kernel/version")
mkdir -p "$tree/usr/lib/modules"
fsck.erofs "--extract=$tree/usr/lib/modules" --overwrite "$kernel/modules.erofs" >/dev/null
chroot "$tree" depmod "$version"
# The makers look for the kernel's configuration, to know what may compress an image.
printf 'CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_ZSTD=y\nCONFIG_RD_GZIP=y\n' >"$tree/boot/config-$version"
# A machine that has been started before: the first start of systemd would cost a minute in an emulated guest.
printf '6d6463746c0000000000000000000002\n' >"$tree/etc/machine-id"
touch "$tree/etc/.updated" "$tree/var/.updated"
printf 'alpha\n' >"$tree/etc/hostname"
rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/usr/share/{man,locale,info}
tar -C "$tree" --numeric-owner --one-file-system -cf "$out.part" .
mv "$out.part" "$out"
