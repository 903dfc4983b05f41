docker run -d --restart unless-stopped --privileged --name sshfs-bridge -p 127.0.0.1:445:445 \
    -p 127.0.0.1:10445:445 -v ~/.ssh:/ssh:ro -v sshfs-bridge:/var/lib/sshfs-bridge sshfs-bridge
