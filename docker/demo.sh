#!/usr/bin/env bash
# make demo: builds the image and runs its demo where there is a Docker engine, or
# builds the binary and runs the demo on this host where there is none (Linux, root).
# Arguments go to `sshfs-bridge demo` (--check ends after the self-check).
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "make demo: $*"; }
lacks() { say "$1 is missing: $2" >&2; exit 1; }

if docker info >/dev/null 2>&1; then
  say "building the image (the first time takes a few minutes)"
  docker build -q -t sshfs-bridge --build-arg GOPROXY="$(go env GOPROXY 2>/dev/null || true)" . >/dev/null
  name=sshfs-bridge-demo
  docker rm -f "$name" >/dev/null 2>&1 || true
  tty=()
  [ -t 0 ] && [ -t 1 ] && tty=(-it)
  run=(docker run --rm "${tty[@]}" --privileged --name "$name")
  # Finder needs the high port; 445 is for everything else, and it may be taken (macOS
  # File Sharing has it), so a container that only holds both ports asks first.
  ports=(-p 127.0.0.1:445:445 -p 127.0.0.1:10445:445)
  if ! docker run --rm "${ports[@]}" --entrypoint /bin/true sshfs-bridge >/dev/null 2>&1; then
    say "127.0.0.1:445 is taken (macOS File Sharing?): going on with 10445, the port that Finder wants anyway"
    ports=(-p 127.0.0.1:10445:445)
  fi
  exec "${run[@]}" "${ports[@]}" sshfs-bridge demo "$@"
fi

case $(uname -s) in
  Linux) ;;
  *) lacks "a running Docker engine" "start Docker Desktop, OrbStack or Colima (brew install colima docker && colima start)" ;;
esac
[ "$(id -u)" = 0 ] || lacks "a Docker engine, and without one the demo needs root" "apt-get install docker.io, or: sudo make demo"
command -v go >/dev/null || lacks "Go 1.26, as there is no Docker engine" "https://go.dev/doc/install, or: apt-get install docker.io"
command -v smbd >/dev/null || [ -x /usr/sbin/smbd ] || lacks "smbd, as there is no Docker engine" "apt-get install samba"
[ -e /dev/fuse ] || lacks "/dev/fuse" "modprobe fuse"
say "no Docker engine: building and running on this host instead"
make -s build
exec bin/sshfs-bridge demo "$@"
