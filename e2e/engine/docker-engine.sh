#!/usr/bin/env bash
# Makes a Docker engine reachable on a Debian test host that has none (as root), and gives it the base images
# named as arguments, by default those of the Dockerfile. Where no registry answers, an image is put together
# from the host's own Debian mirror; for golang:* the host's own Go goes on top of it. For tests only: such a
# stand-in is larger than the real image, and it trusts whom this host trusts. Safe to run again.
set -euo pipefail

images=("$@")
[ $# -gt 0 ] || images=(debian:trixie-slim golang:1.26-trixie)
pull_seconds=20 # a registry that has not delivered by then counts as out of reach

work=
trap 'rm -rf "$work"' EXIT

say() { echo "docker-engine: $*" >&2; }

# need PROGRAM PACKAGE: install PACKAGE unless PROGRAM is there.
need() {
  command -v "$1" >/dev/null && return
  say "installing $2"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$2" >/dev/null
}

# `docker run --privileged` asks for every capability there is, and runc refuses where the host's own bounding
# set lacks one (a test machine that is itself a container). This runtime is runc with the capabilities that
# this host does not have taken out of what is asked for, at run and at exec.
bounded_runtime() {
  cat >/usr/local/sbin/runc-bounded <<'RUNTIME'
#!/usr/bin/env bash
names=(CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
  NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
  SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
  AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
  PERFMON BPF CHECKPOINT_RESTORE)
have=$((16#$(awk '/^CapBnd/ {print $2}' /proc/self/status)))
drop=
for i in "${!names[@]}"; do
  (( (have >> i) & 1 )) || drop+="s/,\"CAP_${names[i]}\"//g;s/\"CAP_${names[i]}\",//g;"
done
previous=
for argument in "$@"; do
  case $previous in
    --bundle | -b) specification=$argument/config.json ;;
    --process | -p) specification=$argument ;;
    *) specification= ;;
  esac
  if [ -n "$drop" ] && [ -f "$specification" ]; then sed -i "$drop" "$specification"; fi
  previous=$argument
done
exec runc "$@"
RUNTIME
  chmod +x /usr/local/sbin/runc-bounded
  mkdir -p /etc/docker
  [ -e /etc/docker/daemon.json ] ||
    echo '{"default-runtime": "bounded", "runtimes": {"bounded": {"path": "/usr/local/sbin/runc-bounded"}}}' >/etc/docker/daemon.json
}

start_engine() {
  need dockerd docker.io
  # Newer releases of Debian have the client in a package of its own.
  need docker docker-cli
  bounded_runtime
  say "starting dockerd"
  setsid dockerd >/var/log/dockerd.log 2>&1 </dev/null &
  for _ in $(seq 120); do
    docker info >/dev/null 2>&1 && return
    sleep 0.5
  done
  say "dockerd does not answer; its last lines:"
  tail -n 20 /var/log/dockerd.log >&2
  exit 1
}

# mirror prints the first Debian mirror of this host's own package sources.
mirror() {
  local files=() file
  for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.sources; do
    [ ! -e "$file" ] || files+=("$file")
  done
  awk '/^URIs:/ {print $2; exit}
       /^deb / {for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) {print $i; exit}}' "${files[@]}"
}

# stand_in IMAGE: put IMAGE together here.
stand_in() {
  local image=$1 suite root change=()
  case $image in
    debian:*) suite=${image#debian:} suite=${suite%-slim} ;;
    golang:*) suite=${image##*-} ;;
    *)
      say "$image cannot be pulled, and there is no stand-in for it"
      exit 1
      ;;
  esac
  say "no registry has $image: making a stand-in from Debian $suite"
  need debootstrap debootstrap
  work=$(mktemp -d)
  root=$work/root
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$(mirror)" >"$work/log" ||
    { tail -n 20 "$work/log" >&2; exit 1; }
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/" # a mirror may be behind the host's own authority
  if [[ $image == golang:* ]]; then
    mkdir -p "$root/usr/local" "$root/go"
    cp -a "$(go env GOROOT)" "$root/usr/local/go"
    change=(-c 'ENV PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
      -c 'ENV GOPATH=/go' -c 'ENV GOTOOLCHAIN=local' -c 'WORKDIR /go')
  fi
  tar -C "$root" -c . | docker import "${change[@]}" - "$image" >/dev/null
  rm -rf "$work"
}

docker info >/dev/null 2>&1 || start_engine
for image in "${images[@]}"; do
  docker image inspect "$image" >/dev/null 2>&1 && continue
  timeout "$pull_seconds" docker pull -q "$image" >/dev/null 2>&1 && continue
  stand_in "$image"
done
