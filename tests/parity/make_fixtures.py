#!/usr/bin/python3
"""make_fixtures.py [CASE...] - what PyTorch computes for the cases of cases.txt, as small files for test_torch.c.
   make_fixtures.py golden FILE REPO - the reference experiment's golden.safetensors (and golden.json beside it) in the
                                form test_golden.c reads, with PyTorch's own sensitivity measured by replaying it.

Runs with Debian's python3-torch (1.13, CPU) and numpy alone. Start weights, images and labels are not stored: both sides
compute them from hash32(), bit for bit. Expectations are float64 figures. Beside each stands the yardstick: how far
PyTorch's own float32 gets from them: the worst of oneDNN, native, channels-last, and of three runs with other last bits in
the images, as no rounding can be asked to keep a figure that those change."""
import gzip, json, math, os, struct, sys
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
WHOLE, PICKS = 2048, 64        # a tensor of more elements than WHOLE is stored as PICKS of them and four sums
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


# ---- figures both sides can compute; fixture.c says the same in C

def hash32(name, i):
    h = 2166136261
    for byte in name.encode():
        h = (h ^ byte) * 16777619 & 0xffffffff
    x = (np.uint32(h) + np.asarray(i, dtype=np.uint32) * np.uint32(0x9e3779b9)).astype(np.uint32)
    x ^= x >> np.uint32(16); x *= np.uint32(0x85ebca6b)
    x ^= x >> np.uint32(13); x *= np.uint32(0xc2b2ae35)
    return x ^ x >> np.uint32(16)

def unit(name, n):             # n figures in [0, 1), exact in float32
    return (hash32(name, np.arange(n)) >> np.uint32(8)).astype(np.float64) * 2.0 ** -24

def start_tensor(name, shape):
    u = unit(name, int(np.prod(shape)))
    if len(shape) > 1:         # Kaiming's uniform bound keeps activations sane
        v = (u - 0.5) * (2 * math.sqrt(6 / np.prod(shape[1:])))
    elif name.endswith(('.weight', '.running_var')):
        v = u + 0.5
    else:
        v = (u - 0.5) * 0.25
    return v.astype(np.float32).reshape(shape)

def salted(name, c):            # salt=N in a case: other images and labels
    return name + str(c.get('salt', ''))

def images(c):
    return ((unit(salted('images', c), c['n'] * int(np.prod(c['shape']))) - 0.5) * 4).astype(np.float32).reshape(c['n'], *c['shape'])

def labels(c):
    return (hash32(salted('labels', c), np.arange(c['n'])) % np.uint32(c['classes'])).astype(np.int64)


# ---- networks, with torchvision's names

class Block(nn.Module):
    def __init__(self, inp, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inp, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = None
        if stride != 1 or inp != out:
            self.downsample = nn.Sequential(nn.Conv2d(inp, out, 1, stride, bias=False), nn.BatchNorm2d(out))
    def forward(self, x):
        h = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(h + (x if self.downsample is None else self.downsample(x)))

class ResNet(nn.Module):
    def __init__(self, inp, classes, widths, blocks, kernel, stride, pool):
        super().__init__()
        self.pool, self.stages = pool, len(widths)
        self.conv1 = nn.Conv2d(inp, widths[0], kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        last = widths[0]
        for s, w in enumerate(widths):
            rows = []
            for b in range(blocks[s]):
                rows.append(Block(last, w, 2 if s > 0 and b == 0 else 1))
                last = w
            setattr(self, f'layer{s + 1}', nn.Sequential(*rows))
        self.fc = nn.Linear(last, classes)
    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        if self.pool:
            x = F.max_pool2d(x, 3, 2, 1)
        for s in range(self.stages):
            x = getattr(self, f'layer{s + 1}')(x)
        return self.fc(x.mean((2, 3)))

class Cnn(nn.Module):
    def __init__(self, c, h, w, hidden, classes):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(c, 32, 3, padding=1), nn.Conv2d(32, 64, 3, padding=1)
        self.fc1, self.fc2 = nn.Linear(64 * (h // 4) * (w // 4), hidden), nn.Linear(hidden, classes)
    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(torch.flatten(x, 1))))

class Mlp(nn.Module):
    def __init__(self, c, h, w, hidden, classes):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(c * h * w, hidden), nn.Linear(hidden, classes)
    def forward(self, x):
        return self.fc2(F.relu(self.fc1(torch.flatten(x, 1))))

def build(c):
    (inp, h, w), k, arch = c['shape'], c['classes'], c['arch']
    if arch in ('resnet18', 'resnet34'):
        return ResNet(inp, k, [64, 128, 256, 512], [2, 2, 2, 2] if arch == 'resnet18' else [3, 4, 6, 3], 7, 2, True)
    if arch == 'resnet-slim':
        stages = c.get('stages', 3)
        widths = [c.get('width', 8) << s for s in range(stages)]
        return ResNet(inp, k, widths, [c.get('blocks', 1)] * stages, 3, c.get('stem_stride', 2), False)
    return Cnn(inp, h, w, c.get('hidden', 128), k) if arch == 'cnn' else Mlp(inp, h, w, c.get('hidden', 256), k)

def head(c):
    return 'fc.' if c['arch'].startswith('resnet') else 'fc2.'

def floats(net):
    return {k: v for k, v in net.state_dict().items() if v.is_floating_point()}


# ---- one case

def read_cases(path):
    def value(text):
        if 'x' in text and text[0].isdigit(): return [int(v) for v in text.split('x')]
        if ',' in text: return [float(v) for v in text.split(',')]
        if text in ('true', 'false'): return text == 'true'
        try: return int(text)
        except ValueError: pass
        try: return float(text)
        except ValueError: return text
    cases = {}
    for line in open(path):
        words = line.split('#')[0].split()
        if words:
            cases[words[0]] = {k: value(v) for k, v in (w.split('=') for w in words[1:])}
    return cases

def optimizer(c, net):
    groups = []
    for name, mine in (('backbone', lambda n: not n.startswith(head(c))), ('classifier', lambda n: n.startswith(head(c)))):
        g = {'params': [p for n, p in net.named_parameters() if mine(n)]}
        for key in ('lr', 'weight_decay'):
            if f'{name}_{key}' in c:
                g[key] = c[f'{name}_{key}']
        groups.append(g)
    kind = c.get('optimizer', 'sgd')
    names = ('momentum', 'dampening', 'nesterov') if kind == 'sgd' else ('betas', 'eps', 'amsgrad')
    options = {k: c[k] for k in names + ('weight_decay',) if k in c}
    return {'sgd': torch.optim.SGD, 'adam': torch.optim.Adam, 'adamw': torch.optim.AdamW}[kind](
        groups, lr=c.get('lr', 1e-3), **options)

def train_mode(c, net):
    net.train()
    if c.get('freeze_bn'):
        for m in net.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.eval()

def run(c, dtype, mkldnn=True, layout=torch.contiguous_format, nudge=0):
    """All figures of a case, name -> array. nudge: another last bit in about half of the images' values."""
    net = build(c)
    net.load_state_dict({k: torch.from_numpy(start_tensor(k, v.shape)) for k, v in floats(net).items()}, strict=False)
    net = net.to(dtype=dtype, memory_format=layout)
    x = images(c)
    if nudge:
        x = np.where(hash32(f'nudge{nudge}', np.arange(x.size)).reshape(x.shape) & 1, np.nextafter(x, np.float32(9)), x)
    x, y = torch.from_numpy(x).to(dtype).contiguous(memory_format=layout), torch.from_numpy(labels(c))
    opt, n, size, out, loss_of = optimizer(c, net), c['n'], c['batch_size'], {}, []
    first = slice(0, min(n, size))
    copy = lambda t: t.detach().contiguous().numpy().astype(np.float64)
    net.eval()
    with torch.no_grad(), torch.backends.mkldnn.flags(enabled=mkldnn):
        out['logits.eval'] = copy(net(x[first]))
    lr = {n: c.get('classifier_lr' if n.startswith(head(c)) else 'backbone_lr', c.get('lr', 1e-3)) for n, _ in net.named_parameters()}
    for step in range(c['steps']):
        at = step % -(-n // size) * size
        batch = slice(at, min(at + size, n))
        train_mode(c, net)
        with torch.backends.mkldnn.flags(enabled=mkldnn):
            logits = net(x[batch])
            loss = F.cross_entropy(logits, y[batch], label_smoothing=c.get('label_smoothing', 0.0))
            opt.zero_grad(set_to_none=True)
            loss.backward()
        loss_of.append(loss.item())
        if step == 0:
            out['logits.train'] = copy(logits)
            out.update({f'grad.{k}': copy(p.grad) for k, p in net.named_parameters() if lr[k] > 0})
        opt.step()
        if step == 0:
            out.update({f'step1.{k}': copy(v) for k, v in floats(net).items() if 'running' in k})
    out['loss'] = np.array(loss_of)
    net.eval()
    with torch.no_grad(), torch.backends.mkldnn.flags(enabled=mkldnn):
        out['logits.end'] = copy(net(x[first]))
    out.update({f'end.{k}': copy(v) for k, v in floats(net).items()})
    return out

def store(c, path):
    net = build(c)
    tensors = {f'shape.{k}': np.array(v.shape) for k, v in floats(net).items()}
    worst = {}
    if c['steps']:
        want = run(c, torch.float64)
        tries = [run(c, torch.float32), run(c, torch.float32, mkldnn=False), run(c, torch.float32, layout=torch.channels_last)]
        tries += [run(c, torch.float32, nudge=i) for i in (1, 2, 3)]
        for k, v in want.items():
            away = [np.abs(t[k] - v) for t in tries]
            size = np.abs(v)
            if k.startswith('end.'):       # root mean square, against how far the weights went: where a gradient is
                rms = lambda a: math.sqrt((a ** 2).mean())     # near 0, Adam's step for that one element is chance
                d32, scale = max(map(rms, away)), rms(v - start_tensor(k[4:], v.shape))
            else:
                d32, scale = max(a.max() for a in away), size.max()
            kind = k.split('.')[0]
            if scale:
                worst[kind] = max(worst.get(kind, 0), d32 / scale)
            if v.size > WHOLE:
                flat = v.reshape(-1)
                sums = lambda a: np.array([math.sqrt((a ** 2).sum()), a.sum(), np.abs(a).max(), np.abs(a).sum()])
                tensors[f'{k}:picks'] = flat[hash32(k, np.arange(PICKS)) % np.uint32(v.size)]
                tensors[f'{k}:sums'] = sums(flat)
                tensors[f'{k}:sumyard'] = np.max([np.abs(sums(t[k]) - sums(flat)) for t in tries], axis=0)
            else:
                tensors[k] = v
            tensors[f'{k}:yard'] = np.array([d32, scale])
    write_safetensors(path, tensors)
    print(f'{os.path.basename(path):32}', f'{os.path.getsize(path):8}', ' '.join(f'{k} {v:.1e}' for k, v in worst.items()), flush=True)

def write_safetensors(path, tensors):
    header, blob = {}, b''
    for k, v in tensors.items():
        data = np.ascontiguousarray(v, dtype='<f4').tobytes()
        header[k] = {'dtype': 'F32', 'shape': list(np.shape(v)), 'data_offsets': [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text + blob)

def read_safetensors(path):
    b = open(path, 'rb').read()
    n, = struct.unpack('<Q', b[:8])
    kind = {'F32': '<f4', 'I32': '<i4', 'I64': '<i8'}
    out = {}
    for k, v in json.loads(b[8:8 + n]).items():
        if k != '__metadata__':
            lo, hi = v['data_offsets']
            out[k] = np.frombuffer(b[8 + n + lo:8 + n + hi], dtype=kind[v['dtype']]).reshape(v['shape'])
    return out


# ---- the reference experiment's exact replay

CELLS = {'sgd_single': ('sgd', 0.1, 0.1), 'sgd_diff': ('sgd', 1e-4, 1e-2), 'adam_diff': ('adam', 1e-5, 1e-2), 'sgd_frozen': ('sgd', 0, 1e-2)}

def idx(path):
    b = gzip.open(path).read()
    dims = struct.unpack(f'>{b[3]}i', b[4:4 + 4 * b[3]])
    return np.frombuffer(b[4 + 4 * b[3]:], dtype=np.uint8).reshape(dims)

def replay(g, repo, cell, dtype, mkldnn=True):
    data = f'{repo}/grids/fashion'
    prepare = lambda x: torch.from_numpy((x.astype(np.float32) / 255 - 0.2860) / 0.3530)[:, None].to(dtype)
    X, Y = prepare(idx(f'{data}/target-train-images-idx3-ubyte.gz')), torch.from_numpy(idx(f'{data}/target-train-labels-idx1-ubyte.gz').astype(np.int64))
    V, W = prepare(idx(f'{data}/val-images-idx3-ubyte.gz')), torch.from_numpy(idx(f'{data}/val-labels-idx1-ubyte.gz').astype(np.int64))
    c = {'arch': 'resnet-slim', 'shape': [1, 28, 28], 'classes': 10, 'lr': 1e-3, 'momentum': 0.9}
    c['optimizer'], c['backbone_lr'], c['classifier_lr'] = CELLS[cell]
    net = build(c)
    start = {k: torch.from_numpy(v.copy()) for k, v in read_safetensors(f'{data}/backbone.safetensors').items()}
    start['fc.weight'], start['fc.bias'] = torch.from_numpy(g['head_w0'].copy()), torch.from_numpy(g['head_b0'].copy())
    net.load_state_dict(start, strict=False)
    net = net.to(dtype)
    opt, losses = optimizer(c, net), []
    with torch.backends.mkldnn.flags(enabled=mkldnn):
        for order in g['perms']:
            net.train()
            for i in range(0, len(order), 32):
                b = torch.from_numpy(order[i:i + 32].astype(np.int64))
                loss = F.cross_entropy(net(X[b]), Y[b])
                opt.zero_grad(set_to_none=True); loss.backward(); opt.step()
                losses.append(loss.item())
        net.eval()
        with torch.no_grad():
            v, t = net(V), net(X)
    ce = F.cross_entropy
    return {'step_loss': np.array(losses), 'fc.weight': net.fc.weight.detach().numpy(), 'conv1.weight': net.conv1.weight.detach().numpy(),
            'val_logits64': v[:64].numpy(), 'loss': np.array([ce(t, Y).item(), ce(v, W).item()]),
            'right': np.array([(t.argmax(1) == Y).sum().item(), (v.argmax(1) == W).sum().item()])}

def golden(path, repo):
    g = read_safetensors(path)
    figures = json.load(open(os.path.splitext(path)[0] + '.json'))
    for cell, f in figures.items():
        g[f'{cell}.end'] = np.array([f['train_loss'], f['train_acc'], f['val_loss'], f['val_acc']])
        tries = [replay(g, repo, cell, torch.float32), replay(g, repo, cell, torch.float32, mkldnn=False)]
        exact = replay(g, repo, cell, torch.float64)
        apart = lambda a, b: np.abs(np.asarray(a, dtype=np.float64) - b).max()
        steps = g[f'{cell}.step_loss']
        print(f"{cell:11} float32 replay against the golden figures: {apart(tries[0]['step_loss'], steps):.1e}; float64 against them, steps 1-5 "
              f"{apart(exact['step_loss'][:5], steps[:5]):.1e} 1-20 {apart(exact['step_loss'][:20], steps[:20]):.1e} 1-100 {apart(exact['step_loss'][:100], steps[:100]):.1e} 1-300 {apart(exact['step_loss'], steps):.1e}")
        print(' ' * 11, ' '.join(f"{k} {apart(exact[k], g[f'{cell}.{k}']):.1e}" for k in ('fc.weight', 'conv1.weight', 'val_logits64')),
              'native', f"{apart(tries[1]['step_loss'], steps):.1e}", 'right', exact['right'], tries[0]['right'], tries[1]['right'], 'loss', exact['loss'], tries[0]['loss'])
        # The yardstick: PyTorch's float64 and its second float32 way against the figures, whichever is further.
        yard = lambda k, n=None: max(apart(r[k][:n], g[f'{cell}.{k}'][:n]) for r in (exact, tries[1]))
        g[f'{cell}.yard'] = np.array([yard('step_loss', 20), yard('step_loss'), yard('fc.weight'), yard('conv1.weight'), yard('val_logits64')])
    write_safetensors(f'{HERE}/fixtures/golden.safetensors', g)       # perms become floats: exact, and no second reader needed


if __name__ == '__main__':
    if sys.argv[1:2] == ['golden']:
        golden(*sys.argv[2:4])
    else:
        all_cases = read_cases(f'{HERE}/cases.txt')
        for name in sys.argv[1:] or all_cases:
            store(all_cases[name], f'{HERE}/fixtures/{name}.safetensors')
