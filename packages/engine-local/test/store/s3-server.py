"""An S3 server for tests: OpenStack Swift with its S3 interface, whole in this process, on loopback ports of its own.

Its argument is an empty directory on a file system with extended attributes. It prints its port once it answers and ends with its standard input.
"""
import os
import socket
import sys

import eventlet

eventlet.monkey_patch()
import logging

from eventlet import wsgi
from swift.common import utils
from swift.common.ring import RingBuilder
from swift.common.storage_policy import StoragePolicy, StoragePolicyCollection
import swift.common.storage_policy as storage_policy

root = sys.argv[1]
conf_dir = os.path.join(root, "conf")
devices = os.path.join(root, "devices")
for path in (conf_dir, os.path.join(devices, "disk")):
    os.makedirs(path)
with open(os.path.join(conf_dir, "swift.conf"), "w") as conf:
    conf.write("[swift-hash]\nswift_hash_path_suffix = tests\nswift_hash_path_prefix = tests\n"
               "[swift-constraints]\nmax_file_size = 5368709122\n"
               "[storage-policy:0]\nname = only\ndefault = yes\n")
utils.SWIFT_CONF_FILE = os.path.join(conf_dir, "swift.conf")
utils.HASH_PATH_SUFFIX = b"tests"
utils.HASH_PATH_PREFIX = b"tests"
storage_policy._POLICIES = StoragePolicyCollection([StoragePolicy(0, "only", is_default=True)])


def listen():
    sock = eventlet.listen(("127.0.0.1", 0))
    return sock, sock.getsockname()[1]


socks = {name: listen() for name in ("object", "container", "account", "proxy")}
for kind in ("object", "container", "account"):
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": socks[kind][1],
                     "replication_ip": "127.0.0.1", "replication_port": socks[kind][1],
                     "device": "disk", "weight": 1})
    builder.rebalance()
    builder.get_ring().save(os.path.join(conf_dir, kind + ".ring.gz"))

common = {"devices": devices, "mount_check": "false", "swift_dir": conf_dir, "log_level": "ERROR",
          "workers": "0", "bind_ip": "127.0.0.1", "fallocate_reserve": "0", "disable_fallocate": "true",
          "recon_cache_path": root, "rsync_compress": "false",
          # A loaded machine is no failing one: what is late here would not come into listings at all.
          "conn_timeout": "60", "node_timeout": "60", "container_update_timeout": "60"}

from swift.account import server as account_server
from swift.container import server as container_server
from swift.obj import server as object_server

null = logging.getLogger("s3-server")
null.addHandler(logging.NullHandler())
null.propagate = False


def serve(name, app):
    sock, _ = socks[name]
    eventlet.spawn(wsgi.server, sock, app, log=null, max_size=256, debug=False)


serve("account", account_server.app_factory({}, **common))
serve("container", container_server.app_factory({}, **common))
serve("object", object_server.app_factory({}, **common))

proxy_conf = os.path.join(conf_dir, "proxy.conf")
with open(proxy_conf, "w") as conf:
    conf.write("""[DEFAULT]
swift_dir = %s
[pipeline:main]
pipeline = catch_errors cache listing_formats bulk s3api tempauth slo proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
paste.filter_factory = memory_cache:filter_factory
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
s3_acl = no
max_bucket_listing = 4
dns_compliant_bucket_names = no
allow_multipart_uploads = yes
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:slo]
use = egg:swift#slo
min_segment_size = 1
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
conn_timeout = 60
node_timeout = 60
error_suppression_limit = 1000000
""" % conf_dir)


class MemoryCache:
    """What Swift keeps in memcached, kept here."""

    def __init__(self):
        self.store = {}

    def get(self, key, **_):
        return self.store.get(key)

    def set(self, key, value, **_):
        self.store[key] = value
        return True

    def incr(self, key, delta=1, **_):
        self.store[key] = self.store.get(key, 0) + delta
        return self.store[key]

    def delete(self, key, **_):
        self.store.pop(key, None)


def filter_factory(_conf, **_local):
    cache = MemoryCache()

    def make(app):
        def call(env, start_response):
            env["swift.cache"] = cache
            return app(env, start_response)
        return call
    return make


sys.modules["memory_cache"] = sys.modules[__name__]
from swift.common.wsgi import loadapp

proxy = loadapp(proxy_conf, global_conf={"log_level": "ERROR"})
serve("proxy", proxy)
print(socks["proxy"][1], flush=True)
eventlet.tpool.execute(sys.stdin.read) if hasattr(eventlet, "tpool") else sys.stdin.read()
os._exit(0)
