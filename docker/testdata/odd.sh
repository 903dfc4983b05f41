docker run --rm --privileged --name 'o'\''dd' -p '[::1]:10139:139' -v '/home/a b/.ssh:/ssh:ro' \
    -v /srv/state:/var/lib/sshfs-bridge -e 'SSHFS_BRIDGE_REMOTE=alice@nas:/$HOME/it'\''s' \
    sshfs-bridge demo --check
