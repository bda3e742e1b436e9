#!/bin/sh
# A Debian machine for `ringway vm`, from Debian's packages: root's console on the serial line, and in it the agent,
# which starts with the machine, and to which shells, services and apt are set up. Root, with mmdebstrap and e2fsprogs;
# packages come from where this machine's apt has them.
#
#   scripts/make-vm.sh FOLDER [PACKAGE...]     makes FOLDER/disk.img, FOLDER/kernel and FOLDER/initrd
#
#   ringway vm --policy policy.yaml --boot-timeout 5m -- qemu-system-x86_64 -m 512 -nographic -no-reboot \
#     -kernel FOLDER/kernel -initrd FOLDER/initrd -append 'root=/dev/vda rw console=ttyS0 quiet' \
#     -drive file=FOLDER/disk.img,format=raw,if=virtio
set -eu

[ $# -ge 1 ] || { echo "usage: $0 FOLDER [PACKAGE...]" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "$0: owners and permissions in the image take root" >&2; exit 1; }
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
packages=systemd-sysv,udev,kmod,dbus,linux-image-cloud-amd64,initramfs-tools,ca-certificates,curl
for package; do packages=$packages,$package; done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

make -s -C "$here/native" agent
mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" --skip=output/dev \
  "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$work/root" \
  $(ls /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null)

cd "$work/root"
install -m 755 "$here/native/build/ringway-agent" usr/local/bin/ringway-agent
for name in rwcat rwfs; do ln -s ringway-agent usr/local/bin/$name; done
cat > etc/systemd/system/ringway-agent.service << 'END'
[Unit]
Description=Network and files of the host, through Ringway
Before=network.target

[Service]
ExecStartPre=-/sbin/modprobe virtio_console
ExecStart=/usr/local/bin/ringway-agent
Restart=always

[Install]
WantedBy=multi-user.target
END
ln -s ../ringway-agent.service etc/systemd/system/multi-user.target.wants/
# Shells and services; apt under sudo as well, which keeps no variables.
proxy=http://127.0.0.1:3128
proxies="http_proxy=$proxy https_proxy=$proxy no_proxy=localhost,127.0.0.1,::1 NODE_USE_ENV_PROXY=1"
for each in $proxies; do echo "$each" >> etc/environment; done
mkdir -p etc/systemd/system.conf.d
printf '[Manager]\nDefaultEnvironment=%s\n' "$proxies" > etc/systemd/system.conf.d/ringway.conf
printf 'set -a\n. /etc/environment\nset +a\n' > etc/profile.d/ringway.sh
echo 'Acquire::http::Proxy "http://127.0.0.1:3128";' > etc/apt/apt.conf.d/80ringway
echo ringway > etc/hostname
printf '127.0.0.1 localhost ringway\n::1 localhost\n' > etc/hosts
echo '/dev/vda / ext4 defaults 0 1' > etc/fstab
mkdir -p etc/systemd/system/serial-getty@ttyS0.service.d
printf '[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --keep-baud 115200 %%I $TERM\n' \
  > etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf

cp boot/vmlinuz-* "$folder/kernel"
cp boot/initrd.img-* "$folder/initrd"
rm -f "$folder/disk.img"
truncate -s 2G "$folder/disk.img"
mke2fs -q -t ext4 -d "$work/root" "$folder/disk.img"
echo "$folder: disk.img, kernel and initrd"
