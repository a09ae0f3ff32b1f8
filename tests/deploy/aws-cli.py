#!/usr/bin/env -S python3 -E -S
"""The AWS CLI, loaded once for all the calls of a test: of the second that a call takes, most is loading (measured:
1.25 s, and 0.3 s this way), and a deployment calls it dozens of times.

    aws-cli.py serve SOCKET    answers calls, each in a process of its own, as long as whatever started it runs
    aws ARGUMENT…              as a link's name: hands a call to the one at AWS_CLI_SOCKET, with everything that a
                               process is given: arguments, environment, folder, standard streams
"""
import json
import os
import socket
import sys


def call(arguments):
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(os.environ["AWS_CLI_SOCKET"])
        given = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}
        # One byte brings the streams along, since what is sent in one piece need not arrive so.
        socket.send_fds(server, [b"\n"], [0, 1, 2])
        server.sendall(json.dumps(given).encode())
        server.shutdown(socket.SHUT_WR)
        # Nothing, where the process of the call has ended without one.
        code = server.recv(1)
    return code[0] if code else 255


def serve(path):
    import select
    import signal
    import traceback

    import awscli.clidriver

    def run(arguments):
        sys.argv = ["aws", *arguments]
        try:
            code = awscli.clidriver.main()
        except SystemExit as ended:
            code = ended.code
        sys.stdout.flush()
        sys.stderr.flush()
        return code or 0

    def answer(connection):
        _, streams, _, _ = socket.recv_fds(connection, 1, 3)
        given = json.loads(connection.makefile("rb").read())
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        # The CLI finds its own files by this one, which it has set as it was loaded.
        data = os.environ["AWS_DATA_PATH"]
        os.environ.clear()
        os.environ.update(given["environment"], AWS_DATA_PATH=data)
        os.chdir(given["folder"])
        connection.sendall(bytes([run(given["arguments"])]))

    # What is loaded by a call only, a call that reaches nobody loads: nothing listens on port 9.
    os.environ["AWS_MAX_ATTEMPTS"] = "1"
    nowhere = os.open(os.devnull, os.O_WRONLY)
    said = os.dup(2)
    os.dup2(nowhere, 2)
    run(["sts", "get-caller-identity", "--no-sign-request", "--region", "us-east-1", "--endpoint-url", "http://127.0.0.1:9"])
    os.dup2(said, 2)

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    # Nobody waits for the processes of calls.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    parent = os.getppid()
    while os.getppid() == parent:
        ready, _, _ = select.select([listener], [], [], 1)
        if not ready:
            continue
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                answer(connection)
            except BaseException:
                traceback.print_exc()
            os._exit(0)
        connection.close()


if __name__ == "__main__":
    if os.path.basename(sys.argv[0]) == "aws":
        sys.exit(call(sys.argv[1:]))
    serve(sys.argv[2])
