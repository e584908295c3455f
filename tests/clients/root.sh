#!/usr/bin/env bash
# A Debian machine with systemd, udisks2, libblockdev, what blivet needs, and the newest mdadm of Debian (sid's), as a tar:
# what our package is installed into, and what it is compared with.
# usage: root.sh OUTPUT.tar   (as root)

# shellcheck source=tests/vm/debian.sh
. "$(dirname "$0")/../vm/debian.sh"

PACKAGES=systemd,systemd-sysv,udev,dbus,kmod,procps,util-linux,mount,fdisk,lvm2,dmsetup,e2fsprogs,xfsprogs,mdadm
PACKAGES+=,udisks2,gir1.2-blockdev-3.0,python3-gi,python3-blockdev
for plugin in mdraid fs part swap loop lvm dm crypto; do PACKAGES+=,libblockdev-${plugin}3; done
for module in parted bytesize pyudev dasbus dbus packaging selinux; do PACKAGES+=,python3-$module; done

out=$1
tree=$(mktemp -d "$CACHE/clients-root.XXXXXX")
trap 'rm -rf "$tree"' EXIT

download sid mdadm
debian_tree minbase trixie "$tree" "--include=$PACKAGES"
cp "$(newest_download mdadm)" "$tree/mdadm.deb"
chroot "$tree" env DEBIAN_FRONTEND=noninteractive dpkg --install /mdadm.deb >&2
rm "$tree/mdadm.deb"
# A machine that has been started before: the first start of systemd would cost a minute in an emulated guest.
printf '6d6463746c0000000000000000000003\n' >"$tree/etc/machine-id"
touch "$tree/etc/.updated" "$tree/var/.updated"
printf 'alpha\n' >"$tree/etc/hostname"
rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/usr/share/{man,locale,info,doc}
tar -C "$tree" --numeric-owner --one-file-system -cf "$out.part" .
mv "$out.part" "$out"
