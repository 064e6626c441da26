# SPDX-License-Identifier: GPL-2.0-only
"""One right request of every command, with every attribute that it may carry."""
import socket
import struct

KEY = bytes(range(1, 33))
OTHER = bytes(range(65, 97))
ASK = 1
RESOURCE = {
    'name': 'web',
    'prefix': [{'addr': bytes((10, 1, 0, 0)), 'len': 16}, {'addr': b'\xfd' + bytes(15), 'len': 8}],
    'service': [{'protocol': 6, 'port-min': 80, 'port-max': 90}, {'protocol': 17}],
}
GRANT = {
    'peer': KEY, 'resource': 'web', 'direction': 'in', 'action': 'allow', 'lease-ms': 3600000,
    'tag': bytes(16), 'quota': 1 << 40, 'rate': 1 << 40, 'flow-rate': 1 << 20,
}
TUPLE = {
    'protocol': 6, 'src': bytes((10, 0, 0, 1)), 'dst': bytes((10, 1, 0, 1)), 'sport': 1000,
    'dport': 80,
}


def endpoint(port):
    return struct.pack('=H', socket.AF_INET) + struct.pack('!H', port) + bytes((127, 0, 0, 1)) + bytes(8)


def peer(key):
    return {
        'public-key': key, 'preshared-key': bytes(32), 'flags': 0, 'endpoint': endpoint(9),
        'persistent-keepalive-interval': 0, 'protocol-version': 1,
        'allowedips': [
            {'family': socket.AF_INET, 'ipaddr': bytes((10, 0, 0, 0)), 'cidr-mask': 24, 'flags': 0},
            {'family': socket.AF_INET6, 'ipaddr': b'\xfd' + bytes(15), 'cidr-mask': 64},
        ],
        'mode': [{'direction': 'in', 'mode': 'enforce', 'flags': 0},
                 {'direction': 'out', 'mode': 'open', 'flags': 0}],
        'candidate': [{'endpoint': endpoint(10), 'priority': 5}],
    }


def policy_requests(device, port=4000):
    """(command, values) in an order in which each is accepted."""
    return [
        ('set-device', {
            **device, 'private-key': bytes(31) + b'\x40', 'flags': 0, 'listen-port': port,
            'fwmark': 7, 'peers': [peer(KEY), peer(OTHER)],
            'mode': [{'direction': 'in', 'mode': 'observe', 'flags': 0},
                     {'direction': 'out', 'mode': 'enforce', 'flags': ASK}],
            'ask-prefix': [{'addr': bytes((10, 9, 0, 0)), 'len': 16}],
            'timeouts': {'tcp-opening': 60, 'tcp-established': 7440, 'tcp-closing': 120,
                         'udp-new': 30, 'udp-answered': 180, 'icmp': 30, 'other': 600},
            'max-flows': 1000,
        }),
        ('get-device', device),
        ('new-resource', {**device, 'resource': [RESOURCE, {**RESOURCE, 'name': 'other'}]}),
        ('get-resource', device),
        ('new-grant', {**device, 'grant': [GRANT, {**GRANT, 'resource': 'other'}]}),
        ('get-grant', {**device, 'peer': KEY}),
        ('explain', {**device, 'peer': KEY, 'direction': 'in', 'tuple': TUPLE}),
        ('get-flow', {**device, 'peer': KEY}),
        ('del-flow', {**device, 'peer': KEY}),
        ('get-stats', device),
        ('begin-epoch', device),
        ('abort-epoch', device),
        ('del-grant', {**device, 'grant': [
            {'peer': KEY, 'resource': 'other', 'direction': 'in'}]}),
        ('del-resource', {**device, 'resource': [{'name': 'other'}]}),
        ('begin-epoch', device),
        ('commit-epoch', device),
        ('register', {**device, 'roles': 3}),
        ('send-sideband', {**device, 'endpoint': endpoint(9), 'data': bytes(20)}),
    ]


def verdict(device):
    """About the first packet that was held; accepted if there is one."""
    return ('verdict', {**device, 'id': 1, 'verdict': 'pass', 'grant': {**GRANT, 'direction': 'out'}})
