# What every script here shares: places, words, and how to become root. Sourced, never run.
# shellcheck shell=bash disable=SC2034  # most names are for the scripts that source this

set -Eeuo pipefail
trap 'printf "vm: %s: line %s failed\n" "${BASH_SOURCE[0]}" "$LINENO" >&2' ERR

VM_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$VM_DIR/../.." && pwd)
# The target directory of this work tree holds its own guest; the cache (kernels, guest root, QEMU,
# downloads) is big and the same for every work tree, so that it may be elsewhere.
TARGET=$(realpath -m "${CARGO_TARGET_DIR:-$TOP/target}")
CACHE=$(realpath -m "${MDCTL_VM_CACHE:-$TARGET/vm}")
RUN_DIR=$(realpath -m "${MDCTL_VM_RUN:-$TARGET/vm/run}")

# The target that programs are built for: this machine's.
triple() { rustc -vV | sed -n 's/^host: //p'; }

say() { printf 'vm: %s\n' "$*" >&2; }
die() { say "$*"; exit 125; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -- "$@"; fi
}

# key FILE...: a short name for the contents of recipe files: another recipe is another product.
key() { cat -- "$@" | sha256sum | cut -c1-12; }

# What is in the cache is named after the contents of its recipe.
qemu_name() { printf 'qemu-%s\n' "$(key "$VM_DIR/qemu.sh")"; }
root_name() { printf 'root-%s.erofs\n' "$(key "$VM_DIR/guest-root.sh")"; }
kernel_name() { printf 'kernel-%s-%s\n' "$1" "$(key "$VM_DIR/kernel.sh")"; }
initramfs_name() {
    printf 'initramfs-%s-%s.cpio\n' "$1" "$(key "$VM_DIR/kernel.sh" "$VM_DIR/initramfs.sh" "$VM_DIR"/guest/*)"
}

# guest_runs: whether this work tree's guest is up (its process is QEMU, not one that got its number).
guest_runs() {
    local pid
    pid=$(cat "$RUN_DIR/pid" 2>/dev/null) || return 1
    grep -qs qemu "/proc/$pid/cmdline"
}

stop_guest() {
    guest_runs || return 0
    local pid
    pid=$(cat "$RUN_DIR/pid")
    kill "$pid" 2>/dev/null || true
    while [ -e "/proc/$pid" ]; do sleep 0.05; done
    rm -f "$RUN_DIR/pid" "$RUN_DIR/agent.sock"
}

# guest_command TIMEOUT WAIT tty|plain COMMAND...: socket names must be short, hence the cd.
guest_command() {
    local client=$VM_DIR/client.pl
    (cd "$RUN_DIR" && exec perl "$client" agent.sock "$@")
}

# kernel_is_sound: false, with the lines, when the guest's kernel has reported a bug of its own.
kernel_is_sound() {
    local lines
    lines=$("$VM_DIR/exec" -- dmesg </dev/null | grep -E 'BUG:|Oops|WARNING: (CPU|.* at )|general protection|blocked for more than|KASAN' | head -n 5) || true
    [ -z "$lines" ] || { say "the guest's kernel reported: $lines"; return 1; }
}
