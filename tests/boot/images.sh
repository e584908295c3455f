#!/usr/bin/env bash
# The machine with our package in the place of mdadm, the images that both makers make on it, and the two roots to start:
# a small one that only reports, and the machine itself.
# usage: images.sh ROOT.tar PACKAGE.deb DIRECTORY VMLINUZ   (as root)

# shellcheck source=tests/vm/debian.sh
. "$(dirname "$0")/../vm/debian.sh"

tar=$1 package=$2 out=$3 kernel=$4
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
# taken PACKAGE: apt installs it, and whatever is in its way goes.
taken() {
    cp "$1" "$tree/package.deb"
    inside 'apt-get -y -o Dpkg::Use-Pty=0 install --allow-downgrades --no-install-recommends /package.deb'
    rm "$tree/package.deb"
}

is_ours() { [ "$(readlink "$tree/usr/sbin/mdadm" || :)" = mdctl ]; }

# What an administrator wrote is there after every change of packages.
mkdir -p "$tree/etc/mdadm"
printf '# Ours.\nHOMEHOST <system>\nMAILADDR root\n' >"$tree/etc/mdadm/mdadm.conf"
unchanged() { head -n 1 "$tree/etc/mdadm/mdadm.conf" | grep -qx '# Ours.' || die "mdadm.conf was changed $1"; }

taken "$package"
unchanged "by the installation"
case ${package##*/} in
    mdadm_*) ! is_ours || die "mdadm is not mdadm" ;;
    *)
        is_ours || die "mdadm is not mdctl after the installation"
        # There and back, and removed for good; in a machine whose root is on no array.
        reference=$(find "$DOWNLOADS" -maxdepth 1 -name 'mdadm_*.deb' | sort -V | tail -n 1)
        if [ -n "$reference" ]; then
            taken "$reference"
            ! is_ours || die "mdadm does not take the place of mdctl"
            unchanged "by the way back"
            taken "$package"
        fi
        inside 'apt-get -y -o Dpkg::Use-Pty=0 purge mdctl'
        unchanged "by the purge"
        [ ! -e "$tree/usr/sbin/mdctl" ] || die "mdctl is there after its purge"
        taken "$package"
        is_ours || die "mdadm is not mdctl after the second installation"
        unchanged "by the second installation"
        ;;
esac
inside "mkinitramfs -o /boot/initramfs-tools.img $version"
inside "dracut --quiet --no-hostonly --kver $version --compress 'zstd -1' --add 'mdraid lvm' --force /boot/dracut.img $version"
mv "$tree"/boot/{initramfs-tools,dracut}.img "$out/"
# For `mdctl boot check` on the machine itself.
cp "$kernel" "$tree/boot/vmlinuz-$version"
cp "$out/initramfs-tools.img" "$tree/boot/initrd.img-$version"

install -m 755 "$here/report" "$tree/usr/local/bin/report"
install -m 644 "$here/boot-report.service" "$tree/etc/systemd/system/boot-report.service"
mkdir -p "$tree/etc/systemd/system/default.target.wants"
ln -s ../boot-report.service "$tree/etc/systemd/system/default.target.wants/"
install -m 644 "$here/boot-trouble.service" "$tree/etc/systemd/system/boot-trouble.service"
mkdir -p "$tree/etc/systemd/system/emergency.target.wants"
ln -s ../boot-trouble.service "$tree/etc/systemd/system/emergency.target.wants/"
ln -sf /usr/lib/systemd/system/multi-user.target "$tree/etc/systemd/system/default.target"

# What a machine without users and network does not need, and an emulated one takes minutes for.
for unit in systemd-logind.service getty@.service serial-getty@.service getty.target user@.service systemd-update-utmp.service \
    systemd-networkd.service systemd-resolved.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer systemd-binfmt.service \
    systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-random-seed.service systemd-journal-catalog-update.service; do
    ln -sf /dev/null "$tree/etc/systemd/system/$unit"
done

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
