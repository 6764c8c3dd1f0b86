#!/bin/sh
# The container of a pod: what a container runtime does between a manifest and a process, by util-linux. Run as the first process of new
# namespaces (mounts, pids, names), as root:
#
#   contain.sh ROOT MOUNTS FOLDER ro|rw NAME [OPTIONS OF setpriv] PROGRAM [ARGUMENTS]
#
# ROOT is an empty folder: the new root becomes a file system in memory there. Of this machine it has /usr, to read, and what MOUNTS
# names, a line each: ro or rw, source, target, with tabs between them. It has a /proc of its own, five devices, and nothing else.
set -eu
root=$1 mounts=$2 folder=$3 mode=$4 name=$5
shift 5
tab=$(printf '\t')

printf '%s' "$name" >/proc/sys/kernel/hostname
mount -t tmpfs -o mode=755 root "$root"
mkdir -p "$root/usr" "$root/proc" "$root/dev" "$root/etc" "$root/run" "$root/tmp" "$root/var" "$root$folder"

# bind SOURCE TARGET: a bind mount takes no options at first, so what is read-only is mounted anew.
bind() {
    if [ -d "$1" ]; then
        mkdir -p "$root$2"
    else
        mkdir -p "$(dirname "$root$2")"
        : >"$root$2"
    fi
    mount --bind "$1" "$root$2"
}
protect() { mount -o remount,bind,ro "$root$1"; }

bind /usr /usr
# What was installed by hand is not in an image.
mount -t tmpfs -o mode=755 local "$root/usr/local"
for link in bin sbin lib lib64; do
    if [ -L "/$link" ]; then
        cp -P "/$link" "$root/$link"
    elif [ -d "/$link" ]; then
        bind "/$link" "/$link"
        protect "/$link"
    fi
done
mount -t proc proc "$root/proc"
for device in null zero full random urandom; do bind "/dev/$device" "/dev/$device"; done
mkdir "$root/dev/shm"
mount -t tmpfs -o mode=1777,size=64m shm "$root/dev/shm"
while IFS=$tab read -r how source target; do
    bind "$source" "$target"
    [ "$how" = rw ] || protect "$target"
done <"$mounts"
mount -o remount,ro "$root/usr/local"
protect /usr
[ "$mode" = rw ] || mount -o remount,ro "$root"

# The old root lies below the new one for a moment, and is taken away.
cd "$root"
pivot_root . .
umount -l .
cd "$folder"
unset PWD OLDPWD
exec setpriv "$@"
