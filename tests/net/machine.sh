# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced by the tests: fresh machines of Debian 12, each a directory that debootstrap filled.
#
#   machine_make DIR       a fresh one; what debootstrap gives is kept in $BUILD/debian-12.tar.
#                          MACHINE_MIRROR is where it has it from
#   machine_run DIR CMD... runs CMD there, with mounts of its own that go with it, and the network
#                          of the caller; /run stays, in DIR.run
#   machine_boot DIR SCRIPT SECONDS
#                          boots it in a container, without network, where SCRIPT is run as root;
#                          what it prints, and whether it succeeds. It must have systemd-sysv

: "${MACHINE_MIRROR:=http://deb.debian.org/debian}"
MACHINE_BASE=${BUILD:-build}/debian-12.tar

machine_base() {
    local made
    [ ! -s "$MACHINE_BASE" ] || return 0
    made=$(mktemp -d) && chmod 755 "$made" || return
    debootstrap --variant=minbase bookworm "$made" "$MACHINE_MIRROR" >"$made.log" 2>&1 &&
        tar -C "$made" -cf "$MACHINE_BASE.new" . && mv "$MACHINE_BASE.new" "$MACHINE_BASE"
    local status=$?
    [ "$status" -eq 0 ] || tail -n 20 "$made.log" >&2
    rm -rf "$made" "$made.log"
    return $status
}

# Services are not started while it is set up.
machine_make() {
    machine_base && mkdir -p "$1" && tar -C "$1" -xpf "$MACHINE_BASE" &&
        cp -L /etc/resolv.conf "$1/etc/resolv.conf" &&
        printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d" && chmod 755 "$1/usr/sbin/policy-rc.d"
}

machine_run() {
    mkdir -p "$1.run/netns" || return
    # shellcheck disable=SC2016 # the inner shell's
    unshare -m --propagation private bash -c '
        cd "$1" && mount --bind . . && cd "$1" && mount --rbind /proc proc && mount --rbind /sys sys &&
            mount --rbind /dev dev && mount --bind "$1.run" run &&
            mount -t tmpfs tmpfs tmp && shift &&
            exec chroot . env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
                HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"' \
        - "$1" "${@:2}" </dev/null
}

machine_boot() {
    cp "$2" "$1/root/boot.sh" && rm -f "$1/root/boot.out" "$1/root/boot.status" "$1/usr/sbin/policy-rc.d" &&
        mkdir -p "$1/etc/systemd/system/multi-user.target.wants" || return
    cat >"$1/etc/systemd/system/boot-script.service" <<'END'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'bash /root/boot.sh >/root/boot.out 2>&1; echo $? >/root/boot.status'
ExecStopPost=systemctl --no-block exit
END
    ln -sf ../boot-script.service "$1/etc/systemd/system/multi-user.target.wants/"
    # By default nspawn lets nobody lock memory.
    timeout "$3" systemd-nspawn --quiet --system-call-filter=@memlock --register=no --keep-unit \
        --private-network --boot --machine="machine-$$" -D "$1" </dev/null >"$1/root/console" 2>&1
    [ -s "$1/root/boot.status" ] || tail -n 30 "$1/root/console"
    cat "$1/root/boot.out"
    return "$(cat "$1/root/boot.status" || echo 1)"
}
