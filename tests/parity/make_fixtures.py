#!/usr/bin/python3
"""make_fixtures.py [CASE...] - what PyTorch computes for the cases of cases.txt, as small files for test_torch.c.
   make_fixtures.py golden FILE REPO - the reference experiment's golden.safetensors (and golden.json beside it) in the
                                form test_golden.c reads, with PyTorch's own sensitivity measured by replaying it.

Runs with Debian's python3-torch (1.13, CPU) and numpy alone. Start weights, images and labels are not stored: both sides
compute them from hash32(), bit for bit. Expectations are float64 figures. Beside each stands the yardstick: how far
PyTorch's own float32 gets from them: the worst of oneDNN, native, channels-last, and of three runs with other last bits in
the images, as no rounding can be asked to keep a figure that those change."""
import gzip, json, math, os, re, struct, sys
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
    elif name.endswith('.bn3.weight'):
        v = (u + 0.5) * 0.125  # 50 layers of random branches as large as their shortcuts: no float32 has a gradient there
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

class Bottleneck(nn.Module):
    def __init__(self, inp, width, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inp, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.downsample = None
        if stride != 1 or inp != 4 * width:
            self.downsample = nn.Sequential(nn.Conv2d(inp, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width))
    def forward(self, x):
        h = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        return F.relu(self.bn3(self.conv3(h)) + (x if self.downsample is None else self.downsample(x)))

class ResNet(nn.Module):
    def __init__(self, inp, classes, widths, blocks, kernel, stride, pool, block=Block, expansion=1):
        super().__init__()
        self.pool, self.stages = pool, len(widths)
        self.conv1 = nn.Conv2d(inp, widths[0], kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        last = widths[0]
        for s, w in enumerate(widths):
            rows = []
            for b in range(blocks[s]):
                rows.append(block(last, w, 2 if s > 0 and b == 0 else 1))
                last = expansion * w
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
    deep = {'resnet18': [2, 2, 2, 2], 'resnet34': [3, 4, 6, 3], 'resnet50': [3, 4, 6, 3], 'resnet101': [3, 4, 23, 3], 'resnet152': [3, 8, 36, 3]}
    if arch in deep:
        return ResNet(inp, k, [64, 128, 256, 512], deep[arch], 7, 2, True, *((Block, 1) if arch in ('resnet18', 'resnet34') else (Bottleneck, 4)))
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

OPTIMIZERS = {        # torch's class and which settings of a case are its arguments
    'sgd': (torch.optim.SGD, 'momentum dampening nesterov'), 'adam': (torch.optim.Adam, 'betas eps amsgrad'),
    'adamw': (torch.optim.AdamW, 'betas eps amsgrad'), 'rmsprop': (torch.optim.RMSprop, 'alpha eps momentum centered'),
    'adagrad': (torch.optim.Adagrad, 'lr_decay initial_accumulator_value eps'), 'adadelta': (torch.optim.Adadelta, 'rho eps'),
    'adamax': (torch.optim.Adamax, 'betas eps'), 'nadam': (torch.optim.NAdam, 'betas eps momentum_decay'),
    'radam': (torch.optim.RAdam, 'betas eps')}

def layers_above(names):        # how many layers lie between a tensor's and the head's, grouped as timm groups a ResNet's
    def layer(n):
        block = re.match(r'layer\d+\.\d+', n)
        return block.group() if block else 'stem' if re.match('conv1|bn1', n) and any('layer' in m for m in names) else n.split('.')[0]
    order = list(dict.fromkeys(layer(n) for n in names))
    return {n: len(order) - 1 - order.index(layer(n)) for n in names}

def optimizer(c, net):
    kind, groups, names = c.get('optimizer', 'sgd'), [], [n for n, _ in net.named_parameters()]
    above = layers_above(names)
    make, options = OPTIMIZERS[kind]
    options = {k: c[k] for k in options.split() + ['weight_decay'] if k in c}
    if kind == 'sgd':
        options['lr'] = 1e-3    # torch has no default
    if 'lr' in c:
        options['lr'] = c['lr']
    for name, mine in (('backbone', lambda n: not n.startswith(head(c))), ('classifier', lambda n: n.startswith(head(c)))):
        members = [n for n in names if mine(n)]
        for depth in sorted({above[n] for n in members}) if 'layer_decay' in c else [None]:
            g = {'params': [p for n, p in net.named_parameters() if n in members and depth in (None, above[n])], 'name': name}
            for key in ('lr', 'weight_decay'):
                if f'{name}_{key}' in c:
                    g[key] = c[f'{name}_{key}']
            g['scale'] = c.get('layer_decay', 1) ** (depth or 0)
            groups.append(g)
    opt = make(groups, **options)
    for g in opt.param_groups:
        g['lr'] *= g['scale']
    return opt


# ---- schedules

SCHEDULES = {'step': 'StepLR step_size gamma', 'multistep': 'MultiStepLR milestones gamma', 'exponential': 'ExponentialLR gamma',
             'cosine': 'CosineAnnealingLR T_max eta_min', 'cosine_warm_restarts': 'CosineAnnealingWarmRestarts T_0 T_mult eta_min',
             'linear': 'LinearLR start_factor end_factor total_iters', 'polynomial': 'PolynomialLR total_iters power',
             'onecycle': 'OneCycleLR pct_start div_factor final_div_factor anneal_strategy three_phase cycle_momentum base_momentum max_momentum',
             'plateau': 'ReduceLROnPlateau factor patience threshold threshold_mode cooldown min_lr'}

class Rates:
    """The case's scheduler, told of every step and epoch. Warmup is a LinearLR from 1/W over W steps before it."""
    def __init__(self, c, opt, per_epoch):
        self.c, self.opt, self.per_epoch, self.kind, self.now = c, opt, per_epoch, c.get('schedule', 'constant'), None
        self.warm = c.get('warmup', 0) * per_epoch
        if self.warm:
            self.now = torch.optim.lr_scheduler.LinearLR(opt, 1 / self.warm, 1, self.warm - 1)
        else:
            self.begin()
    def begin(self):
        c, (name, *keys) = self.c, SCHEDULES.get(self.kind, 'None').split()
        args = {k: c[p + k] for k in keys for p in ('', 'plateau_') if p + k in c}
        left = c.get('epochs', 5) - c.get('warmup', 0)
        self.by_step = c.get('schedule_unit', 'step' if self.kind == 'onecycle' else 'epoch') == 'step'
        length = left * self.per_epoch if self.by_step else left
        if 'milestones' in args:
            args['milestones'] = [int(m) for m in np.atleast_1d(args['milestones'])]
        if self.kind == 'cosine':
            args.setdefault('T_max', length)
        if self.kind == 'onecycle':
            args.update(max_lr=[g['lr'] for g in self.opt.param_groups], total_steps=length)
        if 'eta_min_ratio' in c:   # not torch's: its curve for a rate of 1
            low, span = c['eta_min_ratio'], args['T_max']
            self.now = torch.optim.lr_scheduler.LambdaLR(self.opt, lambda t: low + (1 - low) * (1 + math.cos(math.pi * t / span)) / 2)
        else:
            self.now = getattr(torch.optim.lr_scheduler, name)(self.opt, **args) if self.kind != 'constant' else None
    def after(self, step, val_loss):
        """After step number `step` of the run."""
        ended = (step + 1) % self.per_epoch == 0
        if step + 1 < self.warm:
            self.now.step()
        elif step + 1 == self.warm:
            self.begin()
        elif self.kind == 'plateau':
            if ended:
                self.now.step(val_loss())
        elif self.now and (self.by_step or ended) and step + 1 < self.c['steps']:
            self.now.step()

def thaw(c, net, epoch):
    """Both groups are trained from the epoch on in which the backbone thaws; one of rate 0 never is."""
    frozen = epoch < (c.get('freeze_epochs') or c.get('unfreeze_every', 0)) or c.get('backbone_lr') == 0
    for n, p in net.named_parameters():
        p.requires_grad_(n.startswith(head(c)) or not frozen)
    return frozen

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
    lr = {id(p): g['lr'] for g in opt.param_groups for p in g['params']}
    per_epoch = -(-n // size)
    rates, rate_of = Rates(c, opt, per_epoch), {'backbone': [], 'classifier': [], 'momentum': []}
    def val_loss():
        net.eval()
        with torch.no_grad():
            return F.cross_entropy(net(x), y).item()
    for step in range(c['steps']):
        frozen = thaw(c, net, step // per_epoch)
        for g in opt.param_groups:
            if g['name'] == 'classifier' or g['scale'] == max(h['scale'] for h in opt.param_groups if h['name'] == 'backbone'):
                rate_of[g['name']].append(0 if frozen and g['name'] == 'backbone' else g['lr'] / g['scale'])
        rate_of['momentum'].append(g['betas'][0] if 'betas' in g else g.get('momentum', 0))
        at = step % -(-n // size) * size
        batch = slice(at, min(at + size, n))
        train_mode(c, net)
        with torch.backends.mkldnn.flags(enabled=mkldnn):
            logits = net(x[batch])
            loss = F.cross_entropy(logits, y[batch], label_smoothing=c.get('label_smoothing', 0.0))
            opt.zero_grad(set_to_none=True)
            loss.backward()
        if step == 0:
            out.update({f'grad.{k}': copy(p.grad) for k, p in net.named_parameters() if lr[id(p)] > 0 and p.grad is not None})
        if 'clip_grad_norm' in c:
            nn.utils.clip_grad_norm_([p for p in net.parameters() if p.grad is not None], c['clip_grad_norm'])
        loss_of.append(loss.item())
        if step == 0:
            out['logits.train'] = copy(logits)
        opt.step()
        if step == 0:
            out.update({f'step1.{k}': copy(v) for k, v in floats(net).items() if 'running' in k})
        rates.after(step, val_loss)
    out['loss'] = np.array(loss_of)
    if any(k in c for k in ('schedule', 'warmup', 'freeze_epochs', 'unfreeze_every')):
        out.update({f'rate.{k}': np.array(v) for k, v in rate_of.items() if any(v)})
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
        kept = {k for k in want if k.startswith('logits') or k == 'loss'}
        kept |= {f'{kind}.{n}' for kind in ('grad', 'step1', 'end') for i, n in enumerate(floats(net)) if i % c.get('every', 1) == 0 or n.startswith(head(c))}
        for k, v in want.items():
            if k not in kept:
                continue
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
