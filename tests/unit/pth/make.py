#!/usr/bin/python3
"""make.py - the .pth files beside it, by PyTorch's own torch.save (Debian's python3-torch), and for each the same tensors
as safetensors, which test_pth.c compares bit for bit."""
import os, sys
import torch
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, f'{HERE}/../../parity')
from make_fixtures import read_safetensors, write_safetensors

def save(name, what, tensors, **how):
    torch.save(what, f'{HERE}/{name}.pth', **how)
    write_safetensors(f'{HERE}/{name}.safetensors', {k: v.detach().float().numpy() for k, v in tensors.items() if v.is_floating_point()})

torch.manual_seed(0)

# A whole network, with the counters that PyTorch's BatchNorm adds: the demo's backbone.
slim = {}
for k, v in read_safetensors(f'{HERE}/../../../grids/fashion/backbone.safetensors').items():
    slim[k] = torch.from_numpy(v.copy())
    if k.endswith('running_var'):
        slim[k.replace('running_var', 'num_batches_tracked')] = torch.tensor(7)
torch.save(slim, f'{HERE}/slim.pth')

# Every type, and every way to lie in a storage.
pool, plane = torch.randn(100), torch.randn(3, 5, 2)
kinds = {
    'half': torch.randn(4, 3).half(), 'brain': torch.randn(2, 2, 2).bfloat16(), 'double': torch.randn(5).double(), 'float': torch.randn(3, 1),
    'long': torch.arange(4), 'bool': torch.tensor([True]), 'byte': torch.zeros(2, dtype=torch.uint8), 'short': torch.zeros(2, dtype=torch.int16),
    'transposed': plane.permute(2, 0, 1), 'transposed.half': torch.randn(7, 3).half().t(), 'every.third': pool[1::3],
    'view.a': pool[:40].reshape(8, 5), 'view.b': pool[30:60], 'channels.last': torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
    'parameter': torch.nn.Parameter(torch.randn(2, 3)), 'scalar': torch.tensor(2.5), 'empty': torch.zeros(0, 3), 'expanded': torch.randn(3, 1).expand(3, 4),
    'special': torch.tensor([float('nan'), float('inf'), -0.0, 1e-45]),
}
save('kinds', kinds, kinds)

# A training script's checkpoint: the network wrapped in DataParallel, an optimizer's state and scalars beside it.
net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
opt = torch.optim.Adam(net.parameters())
net(torch.randn(4, 3)).sum().backward()
opt.step()
state = torch.nn.DataParallel(net).state_dict()
save('checkpoint', {'epoch': 3, 'best': 0.5, 'arch': 'x', 'done': False, 'none': None, 'big': 2 ** 40, 'optimizer': opt.state_dict(), 'state_dict': state},
     {k.replace('module.', ''): v for k, v in state.items()})

torch.save({'a': torch.ones(1)}, f'{HERE}/legacy.pth', _use_new_zipfile_serialization=False)
