#!/bin/sh
# First process of a node's mount and process namespaces. Argument: the node's state folder.
# What kubelet, containerd and CNI write to paths that no flag moves stays the node's own, below /run, /var/lib and /var/log.
# When it dies, the kernel ends every process of the node (kubelet, containerd, shims, containers) and drops its mounts.
set -eu
mount -t tmpfs tmpfs /run
mount --bind "$1/log" /var/log
mount --bind "$1/lib" /var/lib
: >"$1/mounted"
# Containers' shims end up as children of this process: wait reaps them.
while :; do
    sleep 3600 &
    wait $!
done
