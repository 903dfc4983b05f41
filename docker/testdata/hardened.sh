docker run -d --restart unless-stopped --cap-drop ALL --cap-add SYS_ADMIN --cap-add SETUID --cap-add SETGID \
    --cap-add KILL --device /dev/fuse --security-opt no-new-privileges:true --security-opt apparmor=unconfined \
    --read-only --tmpfs /run:rw,nosuid,nodev,noexec,mode=755,size=64m \
    --tmpfs /tmp:rw,nosuid,nodev,noexec,mode=1777,size=64m --pids-limit 1024 --memory 1536m \
    --name sshfs-bridge -p 127.0.0.1:445:445 -p 127.0.0.1:10445:445 -v ~/.ssh:/ssh:ro \
    -v sshfs-bridge:/var/lib/sshfs-bridge sshfs-bridge
