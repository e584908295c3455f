#!/usr/bin/env bash
# The guest's user land: Debian 13 with udev, LVM2 and file system tools, and the newest mdadm of
# Debian (sid's) where the distribution puts it: that is the reference. One read-only erofs image.
# usage: guest-root.sh OUTPUT.erofs   (as root)

# shellcheck source=tests/vm/debian.sh
. "$(dirname "$0")/debian.sh"

PACKAGES=udev,systemd,kmod,procps,util-linux,mount,fdisk,gdisk,lvm2,dmsetup,e2fsprogs,xfsprogs
PACKAGES+=,strace,time,tzdata,bsdextrautils,ncurses-base,thin-provisioning-tools

out=$1
tree=$(mktemp -d "$CACHE/root.XXXXXX")
trap 'rm -rf "$tree"' EXIT

download sid mdadm
debian_tree apt trixie "$tree" "--include=$PACKAGES"
# Unpacked, not installed: its post-install script would configure an initramfs and a monitor.
# trixie's libc and libudev are new enough for it.
dpkg-deb -x "$(newest_download mdadm)" "$tree"
chroot "$tree" /usr/sbin/mdadm --version >&2
install -d "$tree/opt/reference"
ln -s ../../usr/sbin/mdadm "$tree/opt/reference/mdadm"
ln -s mdadm "$tree/usr/sbin/ref-mdadm"
# Assembly by udev would race with every test that assembles; a test that wants it puts the rule back.
install -d "$tree/opt/reference/udev"
mv "$tree"/usr/lib/udev/rules.d/64-md-raid-assembly.rules "$tree/opt/reference/udev/"
# LVM's rule would activate every group it sees, for the same reason.
mv "$tree"/usr/lib/udev/rules.d/69-lvm.rules "$tree/opt/reference/udev/"
rm -rf "$tree"/var/cache/* "$tree"/var/lib/apt/lists/* "$tree"/usr/share/{doc,man,locale,info} \
    "$tree"/usr/lib/udev/hwdb.bin "$tree"/usr/lib/udev/hwdb.d

say "guest root: packing it"
mkfs.erofs -zlz4 "$out.part" "$tree" >/dev/null
mv "$out.part" "$out"
