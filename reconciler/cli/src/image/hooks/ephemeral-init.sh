#!/bin/sh
# /init of the ephemeral system: brings up the boot interface, fetches the root
# filesystem into memory, checks it, and hands the machine to /muster-inmachine.
# It never touches a disk, and never hangs: every failure is one line on the
# console and a reboot, so that the rack sees the machine again.
PATH=/bin
export PATH

# How long to wait for the boot interface to appear after its driver was loaded.
nic_wait_seconds=30
# A fetch is tried anew after this long: enough for 100 MB at 3 Mbit/s. (wget's own
# -T crashes in the static build of busybox 1.35.)
fetch_seconds=300
# Attempts at an address and at the fetch. With the pauses below a server may be away for a minute.
attempts_max=8

say() { echo "muster: $*" >/dev/console; }

fail() {
    say "$*"
    say "rebooting in 10 s"
    sleep 10
    reboot -f
    echo b >/proc/sysrq-trigger
    # Neither worked: as PID 1, ending is a panic, and that is a reboot too.
    exit 1
}

# The value of the kernel argument $1, empty where it is absent.
argument() {
    for word in $(cat /proc/cmdline); do
        case "$word" in "$1="*) echo "${word#*=}" ;; esac
    done | tail -n 1
}

# Pause before attempt $1: 1, 2, 4, 8, then 15 s.
pause() {
    case "$1" in 1) sleep 1 ;; 2) sleep 2 ;; 3) sleep 4 ;; 4) sleep 8 ;; *) sleep 15 ;; esac
}

load_drivers() {
    # Twice: the virtio and vmbus devices appear with the driver of their bus.
    for round in 1 2; do
        modprobe -qa $(find /sys/bus/*/devices/*/ -maxdepth 1 -name modalias -exec cat {} + | sort -u) 2>/dev/null
    done
}

interface_of() {
    for path in /sys/class/net/*; do
        [ "$(cat "$path/address")" = "$1" ] && basename "$path" && return
    done
}

# The next three are tried again by `insist`; each leaves the reason of a failure in $reason.
address_by_dhcp() {
    reason="no DHCP answer on $nic"
    # The client identifier is the hardware type and address, so that the lease of
    # the firmware's own client is found again (RFC 2132 §9.14).
    udhcpc -f -q -n -t 4 -T 3 -i "$nic" -s /udhcpc.sh -x "0x3d:01$(echo "$mac" | tr -d :)" >/dev/null 2>&1
}

address_static() {
    reason="cannot set $address on $nic"
    ip addr replace "$address" dev "$nic" || return 1
    [ -z "$gateway" ] || ip route replace default via "$gateway"
}

fetch() {
    reason="cannot fetch $url"
    # One after the other: tee beside it makes the same work five times slower.
    timeout "$fetch_seconds" wget -q -O /run/rootfs.squashfs "$url" || return 1
    sum=$(sha256sum /run/rootfs.squashfs)
    reason="$url has the SHA-256 ${sum%% *}, not $digest"
    [ "${sum%% *}" = "$digest" ]
}

insist() {
    attempt=1
    until "$1"; do
        [ "$attempt" -lt "$attempts_max" ] || fail "$reason"
        say "$reason (attempt $attempt of $attempts_max)"
        pause "$attempt"
        attempt=$((attempt + 1))
    done
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs -o mode=0755,size=80% tmpfs /run
# A panic, also that of an agent which ends as PID 1, is a reboot.
echo 10 >/proc/sys/kernel/panic

mac=$(argument muster.mac | tr A-F- a-f:)
url=$(argument muster.rootfs)
digest=$(argument muster.rootfs-sha256)
address=$(argument muster.ip)
gateway=$(argument muster.gw)
[ -n "$mac" ] || fail "no muster.mac= on the kernel command line"
[ -n "$url" ] || fail "no muster.rootfs= on the kernel command line"
[ -n "$digest" ] || fail "no muster.rootfs-sha256= on the kernel command line"
[ -x /muster-inmachine ] || fail "no /muster-inmachine beside the initrd"

waited=0
load_drivers
nic=$(interface_of "$mac")
while [ -z "$nic" ]; do
    [ "$waited" -lt "$nic_wait_seconds" ] || fail "no network interface has the address $mac"
    sleep 1
    waited=$((waited + 1))
    load_drivers
    nic=$(interface_of "$mac")
done
ip link set lo up
ip link set "$nic" up || fail "cannot bring up $nic"
if [ -n "$address" ]; then
    insist address_static
else
    insist address_by_dhcp
fi

insist fetch
modprobe -a loop squashfs overlay || fail "no loop, squashfs or overlay module"
mkdir -p /run/rootfs /run/overlay/upper /run/overlay/work /newroot
mount -t squashfs -o loop,ro /run/rootfs.squashfs /run/rootfs || fail "cannot mount the root filesystem"
mount -t overlay -o lowerdir=/run/rootfs,upperdir=/run/overlay/upper,workdir=/run/overlay/work overlay /newroot ||
    fail "cannot mount the overlay"
cp /muster-inmachine /newroot/muster-inmachine || fail "cannot copy the agent"
for fs in dev sys run proc; do
    mount --move "/$fs" "/newroot/$fs" || fail "cannot move /$fs"
done
exec switch_root /newroot /muster-inmachine
# Only a missing or foreign agent binary leads here; /dev went with the new root.
exit 1
