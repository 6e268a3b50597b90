#!/bin/sh
# Called by udhcpc: sets what the lease says. Names are not resolved in the
# ephemeral system, so there is no resolv.conf to write.
case "$1" in
deconfig)
    ip addr flush dev "$interface"
    ip link set "$interface" up
    ;;
bound | renew)
    ip addr replace "$ip/${mask:-24}" dev "$interface"
    for gateway in $router; do
        ip route replace default via "$gateway" dev "$interface"
        break
    done
    ;;
esac
