# SPDX-License-Identifier: GPL-2.0-only
"""Takes the role of who answers requests, and an epoch, on a device, says "ready", and keeps them until its input ends."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'fuzz'))
from family import Family, load_spec  # noqa: E402

family = Family(load_spec())
device = {'ifname': sys.argv[1]}
for name, values in (('register', {**device, 'roles': 1}), ('begin-epoch', device)):
    answer = family.send(family.request(name, values))
    if answer.error:
        sys.exit(answer.sentence or f'{name}: errno {answer.error}')
print('ready', flush=True)
sys.stdin.read()
