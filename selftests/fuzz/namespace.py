# SPDX-License-Identifier: GPL-2.0-only
"""Network namespaces of a process."""
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """One of the network, without a name: gone with the process."""

    def __init__(self):
        with open('/proc/self/ns/net', encoding='ascii') as before:
            self._call('unshare', CLONE_NEWNET)
            self.fd = os.open('/proc/self/ns/net', os.O_RDONLY | os.O_CLOEXEC)
            self._call('setns', before.fileno(), CLONE_NEWNET)
        self.before = []
        self.run('ip', 'link', 'set', 'lo', 'up')

    @staticmethod
    def _call(name, *arguments):
        if getattr(LIBC, name)(*arguments):
            raise OSError(ctypes.get_errno(), name)

    def __enter__(self):
        self.before.append(os.open('/proc/self/ns/net', os.O_RDONLY | os.O_CLOEXEC))
        self._call('setns', self.fd, CLONE_NEWNET)

    def __exit__(self, *_):
        before = self.before.pop()
        self._call('setns', before, CLONE_NEWNET)
        os.close(before)

    @property
    def path(self):
        return f'/proc/{os.getpid()}/fd/{self.fd}'

    def run(self, *command, **how):
        """how: as of subprocess.run()."""
        with self:
            subprocess.run(command, **{'check': True, **how})
