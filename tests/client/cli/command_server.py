"""Forks a process for each command, all but rich being imported already: that would be most of its time.

Reads requests from the socket that is its stdin: arguments and environment as JSON, with three descriptors; answers
the exit code.
"""

import json
import os
import socket
import sys

from tunedeck_client.cli import main

REQUEST_BYTES = 2**18


def serve(requests):
    while True:
        data, descriptors, _, _ = socket.recv_fds(requests, REQUEST_BYTES, 3)
        if not data:
            return
        wanted = json.loads(data)
        child = os.fork()
        if not child:
            requests.close()
            for number, descriptor in enumerate(descriptors):
                os.dup2(descriptor, number)
                os.close(descriptor)
            os.environ.clear()
            os.environ.update(wanted["environ"])
            sys.exit(main(wanted["arguments"]))
        for descriptor in descriptors:
            os.close(descriptor)
        requests.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    serve(socket.socket(fileno=os.dup(0)))
