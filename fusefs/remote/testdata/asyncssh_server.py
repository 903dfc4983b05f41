"""An SFTP server made of AsyncSSH: PORT, host key, authorized keys."""
import asyncio
import sys

import asyncssh

port, host_key, authorized_keys = int(sys.argv[1]), sys.argv[2], sys.argv[3]


async def main():
    await asyncssh.listen(
        "127.0.0.1", port, server_host_keys=[host_key],
        authorized_client_keys=authorized_keys, sftp_factory=True,
        reuse_address=True)  # it is killed and started again
    await asyncio.Event().wait()


asyncio.run(main())
