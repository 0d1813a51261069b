"""A tunnel as a data integration written in Python opens one: argv is port, user, key file, host key (base64).

Sends standard input through a forwarded channel until its end and prints what comes back.
"""
import base64
import socket
import sys

import paramiko

port, user, key_file, host_key = sys.argv[1:]
transport = paramiko.Transport(socket.create_connection(("127.0.0.1", int(port))))
transport.start_client(timeout=60)
if base64.b64encode(transport.get_remote_server_key().asbytes()).decode() != host_key:
    sys.exit("the host key is another one")
for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
    try:
        key = kind.from_private_key_file(key_file)
        break
    except paramiko.SSHException:
        pass
transport.auth_publickey(user, key)
channel = transport.open_channel("direct-tcpip", ("primary.test", 5432), ("127.0.0.1", 1), timeout=60)
text = sys.stdin.buffer.read()
channel.sendall(text)
channel.settimeout(60)
back = b""
while len(back) < len(text):
    back += channel.recv(65536)
sys.stdout.buffer.write(back)
print(key.get_name(), transport.remote_cipher, file=sys.stderr)
transport.close()
