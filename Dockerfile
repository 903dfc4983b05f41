# The appliance: one binary, which is the supervisor, the FUSE filesystem, the command line and the
# stand-in for sshfs, beside Debian's smbd. Nothing here belongs to one processor architecture, and
# nothing needs BuildKit.

FROM golang:1.26-trixie AS build
WORKDIR /src
# Empty means Go's own defaults; a mirror or an offline directory goes in here.
ARG GOPROXY=
ARG GOSUMDB=
ARG GOFLAGS=
ENV CGO_ENABLED=0
# The modules first: a layer that lasts while only our own code changes.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /out/sshfs-bridge ./cmd/sshfs-bridge


FROM debian:trixie-slim
LABEL org.opencontainers.image.title="sshfs-bridge" \
      org.opencontainers.image.description="Remote SSH servers as fast volumes in macOS Finder" \
      org.opencontainers.image.licenses="MIT"

# smbd with its modules and its RPC helpers; no recommended packages, which would bring Python and a
# domain controller. No ssh, no sshfs, no fuse: the binary speaks SFTP and mounts by itself, so no
# program needs to be setuid either.
RUN printf 'path-exclude=/usr/share/%s/*\n' doc info lintian locale man >/etc/dpkg/dpkg.cfg.d/slim \
 && apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends samba \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log /var/lib/samba /etc/samba/smb.conf \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
 # Shares are listed by rpcd_classic and rpcd_winreg; what prints, indexes or snapshots has no business here.
 && rm /usr/libexec/samba/rpcd_epmapper /usr/libexec/samba/rpcd_fsrvp /usr/libexec/samba/rpcd_mdssvc \
       /usr/libexec/samba/rpcd_spoolss /usr/libexec/samba/rpcd_witness \
 # Every file belongs to sshuser, who is also the one to log in as where a password is asked for.
 && groupadd --gid 1000 sshuser \
 && useradd --uid 1000 --gid 1000 --create-home --shell /bin/bash sshuser \
 # The RPC helpers open a log there before they have read which one to use; the root may be read only.
 && rm -rf /var/log/samba && ln -s /run/sshfs-bridge/smbd/log /var/log/samba \
 # The hub is root's and shut: what is written where nothing is mounted would be lost.
 && install -d -m 0555 /samba-share \
 # /ssh is the user's ~/.ssh where he mounts it, and otherwise empty, not root's own.
 && install -d -m 0755 /etc/sshfs-bridge /var/lib/sshfs-bridge /run/sshfs-bridge /ssh

COPY --from=build /out/sshfs-bridge /usr/local/bin/sshfs-bridge
# The programs that the binary stands in for. /usr/local/bin comes before /usr/bin in PATH, and mount(8)
# looks for its helpers in /sbin.
RUN for name in sshfs fusermount fusermount3 umount; do ln -s sshfs-bridge /usr/local/bin/$name; done \
 && ln -s /usr/local/bin/sshfs-bridge /usr/sbin/mount.fuse.sshfs

ENV LANG=C.UTF-8
# Says that this is a container, which decides where smbd listens (bridge.InContainer).
ENV container=docker
EXPOSE 139 445
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 CMD ["sshfs-bridge", "healthcheck"]
ENTRYPOINT ["sshfs-bridge"]
CMD ["serve"]
