#!/usr/bin/env bash
# The machine with our package in the place of mdadm, the images that both makers make on it, and the two roots to start:
# a small one that only reports, and the machine itself.
# usage: images.sh ROOT.tar PACKAGE.deb DIRECTORY   (as root)

# shellcheck source=tests/vm/common.sh
. "$(dirname "$0")/../vm/common.sh"

tar=$1 package=$2 out=$3
here=$(cd "$(dirname "$0")" && pwd)
tree=$out/tree
rm -rf "$out"
mkdir -p "$tree"
tar -C "$tree" --numeric-owner -xf "$tar"
version=$(ls "$tree/usr/lib/modules")

# inside COMMAND: in the tree, with what makers and maintainer scripts look at; all mounts go with the process.
inside() {
    # shellcheck disable=SC2016  # the inner shell expands
    unshare --mount --uts bash -c '
        hostname alpha
        mount -t proc proc "$0/proc" && mount --rbind /sys "$0/sys" && mount --bind /dev "$0/dev" && mount -t tmpfs run "$0/run" &&
            exec chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C DEBIAN_FRONTEND=noninteractive sh -c "$1"' \
        "$tree" "$1"
}

# Best compression takes a minute for each image, and the emulated guest longer than the disk saves.
printf 'COMPRESS=zstd\nCOMPRESSLEVEL=1\n' >"$tree/etc/initramfs-tools/conf.d/quick.conf"
if [ "$package" != none ]; then
    cp "$package" "$tree/mdctl.deb"
    inside 'apt-get -y -o Dpkg::Use-Pty=0 install --no-install-recommends /mdctl.deb'
    rm "$tree/mdctl.deb"
    inside 'dpkg-query -W -f "\${Status}\n" mdctl' | grep -qx 'install ok installed' || die "apt did not install $package"
    [ "$(readlink "$tree/usr/sbin/mdadm")" = mdctl ] || die "mdadm is not mdctl after the installation"
fi
inside "mkinitramfs -o /boot/initramfs-tools.img $version"
inside "dracut --quiet --no-hostonly --kver $version --compress 'zstd -1' --add 'mdraid lvm' --force /boot/dracut.img $version"
mv "$tree"/boot/{initramfs-tools,dracut}.img "$out/"

install -m 755 "$here/report" "$tree/usr/local/bin/report"
install -m 644 "$here/boot-report.service" "$tree/etc/systemd/system/boot-report.service"
mkdir -p "$tree/etc/systemd/system/default.target.wants"
ln -s ../boot-report.service "$tree/etc/systemd/system/default.target.wants/"
ln -sf /usr/lib/systemd/system/multi-user.target "$tree/etc/systemd/system/default.target"

small=$out/small
mkdir -p "$small"/{bin,sbin,etc,proc,sys,dev,run,tmp,usr/lib}
cp /bin/busybox "$small/bin/busybox"
for applet in sh cat sed grep readlink sync sleep mount mountpoint mkdir dmesg tail; do ln -s busybox "$small/bin/$applet"; done
cp "$here/small-init" "$small/sbin/init"
cp "$here/report" "$small/bin/report"
# systemd goes to no root without it.
printf 'ID=small\n' | tee "$small/etc/os-release" >"$small/usr/lib/os-release"

mke2fs -q -t ext4 -L small -U 11111111-2222-3333-4444-555555555555 -d "$small" "$out/small.img" 16M
mke2fs -q -t ext4 -L full -U 11111111-2222-3333-4444-666666666666 -d "$tree" "$out/full.img" 640M
mke2fs -q -t ext4 -L srv -U 11111111-2222-3333-4444-777777777777 "$out/srv.img" 8M

# A group with one volume that holds the small root; without the kernel's device-mapper.
truncate -s 24M "$tree/volume.img"
# shellcheck disable=SC2016  # the tree's shell expands
inside '
    set -e
    loop=$(losetup -f --show /volume.img)
    lvm() { command lvm "$@" --driverloaded n --config "devices{use_devicesfile=0 filter=[\"a|^$loop\$|\",\"r|.*|\"]} activation{udev_sync=0 udev_rules=0}"; }
    trap "losetup -d $loop" EXIT
    lvm pvcreate -q "$loop" && lvm vgcreate -q vg "$loop" && lvm lvcreate -q -an -Zn -Wn -L 16M -n root vg' >&2
mv "$tree/volume.img" "$out/volume.img"
dd "if=$out/small.img" "of=$out/volume.img" bs=1M seek=1 conv=notrunc status=none
rm -rf "$tree" "$small"
