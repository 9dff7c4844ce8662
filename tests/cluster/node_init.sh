#!/bin/sh
# First process of a node's mount and process namespaces. Argument: the node's state folder.
# When it dies, the kernel ends every process of the node (kubelet, containerd, shims, containers) and drops its mounts.
set -eu
mount -t tmpfs tmpfs /run
mount --bind "$1/log" /var/log
mount --bind "$1/kubelet" /var/lib/kubelet
: >"$1/mounted"
# Containers' shims end up as children of this process: wait reaps them.
while :; do
    sleep 3600 &
    wait $!
done
