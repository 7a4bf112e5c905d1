#!/bin/bash
# recipe.sh MIRROR SUITE OUT DEBS PACKAGES: a disk with a Debian, its kernel and the keys to it, into the folder OUT.
# It runs in namespaces of its own (image_linux.go): nothing that it mounts or starts is left, however it ends.
set -euo pipefail
mirror=$1 suite=$2 out=$3 debs=$4 packages=$5 root=$3/root
mkdir "$root"
mount -t tmpfs -o mode=755,size=6g disk "$root" # dpkg waits for every file to be on the disk; here that costs nothing
SECONDS=0
debootstrap --variant=minbase --cache-dir="$debs" --include="$packages" "$suite" "$root" "$mirror" >"$out/debootstrap.log" 2>&1 ||
  { tail -n 15 "$out/debootstrap.log"; exit 1; }
echo "debootstrap took $SECONDS s"

# Whoever has the key signs in as anybody. sshd reads it from a folder of root's, so that homes are as they are made.
ssh-keygen -q -t ed25519 -N '' -C test -f "$out/key"
install -D -m 644 "$out/key.pub" "$root/etc/ssh/test_keys"
cat >"$root/etc/ssh/sshd_config.d/test.conf" <<X
AuthorizedKeysFile /etc/ssh/test_keys
PermitRootLogin prohibit-password
MaxSessions 100
MaxStartups 100
UseDNS no
X
echo "guest $(cut -d' ' -f1,2 "$root/etc/ssh/ssh_host_ed25519_key.pub")" >"$out/known_hosts"
chroot "$root" useradd --create-home --shell /bin/bash dev

echo 'SYSTEMD_PAGER=cat' >>"$root/etc/environment" # nobody reads on at the terminals here
echo guest >"$root/etc/hostname"
echo '127.0.0.1 localhost guest' >"$root/etc/hosts"
echo '/dev/vda / ext4 rw 0 1' >"$root/etc/fstab"
: >"$root/etc/apt/sources.list" # there is nothing to be reached
# QEMU's own network, as QEMU documents it (-nic user): fixed, which is faster than asking.
cat >"$root/etc/systemd/network/80-all.network" <<X
[Match]
Name=en* eth*
[Network]
Address=10.0.2.15/24
LinkLocalAddressing=no
X
systemctl --root="$root" --quiet enable systemd-networkd ssh
systemctl --root="$root" --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
  e2scrub_reap.service fstrim.timer man-db.timer systemd-networkd-wait-online.service
rm -rf "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*

cp "$root"/boot/vmlinuz-* "$out/vmlinuz"
cp "$root"/boot/initrd.img-* "$out/initrd"
truncate -s 4G "$out/disk"
mkfs.ext4 -q -F -E lazy_itable_init=1 -d "$root" "$out/disk"
umount "$root"
rmdir "$root"
echo "the disk was made in $SECONDS s: $(du -m "$out/disk" | cut -f1) MB"
