#!/usr/bin/env bash
# Installs what the tests need on Debian or Ubuntu as root, and otherwise says what is
# missing: tests that lack something are skipped by name, or fail where
# BRIDGE_TEST_REQUIRE names it. Safe to run again; touches nothing that is there.
set -euo pipefail
cd "$(dirname "$0")"

missing=()
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing+=("$2"); }
need gcc gcc
need sshd openssh-server
need smbd samba
# Debian 12 has fruit and the streams modules in a package of their own.
compgen -G '/usr/lib/*/samba/vfs/streams_xattr.so' >/dev/null || missing+=(samba-vfs-modules)
need smbclient smbclient
need smbtorture samba-testsuite
need sshfs sshfs
need rclone rclone
need fusermount3 fuse3
need rsync rsync
need git git
need fio fio
need sqlite3 sqlite3
need ip iproute2
need systemd-analyze systemd
# SSH servers besides OpenSSH.
need dropbear dropbear-bin
need tinysshd tinysshd
need proftpd proftpd-mod-crypto
/usr/bin/python3 -W ignore -c 'import asyncssh' 2>/dev/null || missing+=(python3-asyncssh)

if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "make test: installing ${missing[*]}"
    # Services must not start: the tests bring their own sshd and smbd.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
      printf '#!/bin/sh\nexit 101\n' >"$policy"
      chmod +x "$policy"
      trap 'rm -f "$policy"' EXIT
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "make test: not installed: ${missing[*]} (tests that need them are skipped); as root on Debian: apt-get install ${missing[*]}"
  fi
fi

[ "$(id -u)" = 0 ] || echo "make test: not root: tests that mount or start servers are skipped"
[ -e /dev/fuse ] || echo "make test: no /dev/fuse (modprobe fuse): tests that mount are skipped"

# SFTPGo is in no distribution. Without its cloud stores and databases it is built in a minute; from the
# module cache itself, because the `replace` lines of its go.mod count for the main module only.
case ",${BRIDGE_TEST_REQUIRE:-}," in
  *,sftpgo,*)
    if [ "$(id -u)" = 0 ] && ! command -v sftpgo >/dev/null; then
      echo "make test: building SFTPGo"
      (
        cd /
        sftpgo=github.com/drakkan/sftpgo/v2@v2.6.4
        go mod download "$sftpgo"
        CGO_ENABLED=0 go build -C "$(go env GOMODCACHE)/$sftpgo" -buildvcs=false -trimpath -ldflags '-s -w' -o /usr/local/bin/sftpgo \
          -tags nogcs,nos3,noazblob,nobolt,nomysql,nopgsql,nosqlite,nometrics .
      )
    fi
    ;;
esac

case ",${BRIDGE_TEST_REQUIRE:-}," in
  *,docker,*)
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      echo "make test: looking for a Docker engine and the base images, making what is not there"
      engine/docker-engine.sh
    fi
    ;;
  *)
    docker info >/dev/null 2>&1 ||
      echo "make test: no Docker engine: the tests of the image are skipped (as root on Debian, BRIDGE_TEST_REQUIRE=docker makes one)"
    ;;
esac
