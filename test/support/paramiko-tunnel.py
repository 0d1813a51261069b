"""Forwards a local port with paramiko, as data services do: prints the port, then serves connections until it is killed."""

import socket
import sys
import threading

import paramiko

host, port, username, key_file, known_hosts, target_host, target_port = sys.argv[1:]
client = paramiko.SSHClient()
client.load_host_keys(known_hosts)
client.set_missing_host_key_policy(paramiko.RejectPolicy())
client.connect(host, int(port), username, key_filename=key_file, look_for_keys=False, allow_agent=False, timeout=30)


def pump(source, target):
    try:
        while data := source.recv(32768):
            target.sendall(data)
    except (OSError, EOFError):
        pass
    finally:
        target.close()


def serve(connection, address):
    channel = client.get_transport().open_channel("direct-tcpip", (target_host, int(target_port)), address)
    threading.Thread(target=pump, args=(channel, connection), daemon=True).start()
    pump(connection, channel)


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=listener.accept(), daemon=True).start()
