#!/bin/bash
# Beside dracut's own module mdraid, which brings the program, the rules and the units: an array that is short of members
# starts after 20 seconds and not after two minutes, arrays are found where udev did not see them, and a machine's arrays
# have their names although the machine's name is not known yet.

check() {
    require_binaries mdadm || return 1
    dracut_module_included mdraid && return 0
    return 255
}

depends() {
    echo mdraid
}

install() {
    local name=
    inst_multiple cp dmesg grep mkdir readlink sed sort
    inst_script "${moddir:?}/mdctl-start.sh" /sbin/mdctl-start
    inst_script /usr/lib/mdctl/root-name
    inst_simple "${udevdir:-/usr/lib/udev}/rules.d/63-md-raid-arrays.rules" /usr/lib/mdctl/63-md-raid-arrays.rules
    inst_hook initqueue/settled 60 "${moddir:?}/mdctl-assemble.sh"
    [[ -s ${dracutsysrootdir-}/etc/hostname ]] && read -r name <"${dracutsysrootdir-}/etc/hostname"
    if [[ $name && $name != localhost ]]; then
        inst_dir /etc/mdadm.conf.d
        printf 'HOMEHOST %s\n' "$name" >"${initdir:?}/etc/mdadm.conf.d/90-homehost.conf"
    fi
}
