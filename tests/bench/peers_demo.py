#!/usr/bin/python3
"""peers_demo.py - trials of the demo grid here and in PyTorch; the row `demo` of peers.py.

Both sides train the same trials (grids/differential-lr.yaml: SGD, backbone 3e-4, classifier 3e-2, 20 epochs, seeds 0..7)
and evaluate validation and clean training images after every epoch. PyTorch gets malloc tuned to keep freed memory and its
better mode of two processes with one thread and one process with two, contiguous or channels_last. The sides take turns;
medians and their ratio are printed.
Times are of the trials; of PyTorch's without its start-up, of ours with it.
"""
import gzip, json, multiprocessing, os, statistics, struct, subprocess, tempfile, time
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F

from peers_torch import TUNED, slim

TRIALS, EPOCHS, BATCH, EVAL_BATCH = 8, 20, 32, 500
DATA = "grids/fashion"


def idx(name):
    raw = gzip.open(f"{DATA}/{name}.gz").read()
    dims = struct.unpack(">%dI" % raw[3], raw[4 : 4 + 4 * raw[3]])
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(dims)


def split(name):
    x = (idx(f"{name}-images-idx3-ubyte").astype(np.float32) / 255 - 0.2860) / 0.3530
    y = idx(f"{name}-labels-idx1-ubyte").astype(np.int64)
    return torch.from_numpy(x)[:, None], torch.from_numpy(y)


def backbone():
    raw = open(f"{DATA}/backbone.safetensors", "rb").read()
    size = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8 : 8 + size])
    head.pop("__metadata__", None)
    data = raw[8 + size :]
    return {
        k: torch.from_numpy(np.frombuffer(data[slice(*v["data_offsets"])], np.float32).reshape(v["shape"]).copy())
        for k, v in head.items()
        if not k.startswith("fc.")
    }


def evaluate(net, x, y):
    net.eval()
    loss = right = 0
    with torch.no_grad():
        for i in range(0, len(y), EVAL_BATCH):
            out = net(x[i : i + EVAL_BATCH])
            loss += F.cross_entropy(out, y[i : i + EVAL_BATCH], reduction="sum").item()
            right += (out.argmax(1) == y[i : i + EVAL_BATCH]).sum().item()
    return loss / len(y), right / len(y)


def trial(seed, layout, optimizer="sgd", frozen=False, epochs=EPOCHS):
    torch.manual_seed(seed)
    net = slim()
    net.load_state_dict(backbone(), strict=False)
    net = net.to(memory_format=layout)
    (xt, yt), (xv, yv) = DATA_TRAIN, DATA_VAL
    xt, xv = xt.to(memory_format=layout), xv.to(memory_format=layout)
    rest = [p for n, p in net.named_parameters() if not n.startswith("fc.")]
    groups = [{"params": net.fc.parameters(), "lr": 3e-2}]
    if frozen:
        for p in rest:
            p.requires_grad_(False)
    else:
        groups.insert(0, {"params": rest, "lr": 3e-4})
    opt = torch.optim.SGD(groups, lr=1e-3, momentum=0.9) if optimizer == "sgd" else torch.optim.Adam(groups, lr=1e-3)
    for _ in range(epochs):
        net.train()
        order = torch.randperm(len(yt))
        for i in range(0, len(yt), BATCH):
            b = order[i : i + BATCH]
            loss = F.cross_entropy(net(xt[b]), yt[b])
            opt.zero_grad(set_to_none=True)
            loss.backward()
            opt.step()
        clean, val = evaluate(net, xt, yt), evaluate(net, xv, yv)
    return clean[1], val[1]


@contextmanager
def processes(n, target, *args):
    """`n` fresh processes with tuned malloc, which is read at a process's start: target(i, *args, barrier). Their barrier."""
    ctx = multiprocessing.get_context("spawn")
    barrier, plain = ctx.Barrier(n + 1), dict(os.environ)
    jobs = [ctx.Process(target=target, args=(i, *args, barrier)) for i in range(n)]
    os.environ.update(TUNED)
    for j in jobs:
        j.start()
    for name in TUNED.keys() - plain.keys():
        del os.environ[name]
    os.environ.update(plain)
    yield barrier
    for j in jobs:
        j.join()


def begin(threads):
    global DATA_TRAIN, DATA_VAL
    torch.set_num_threads(threads)
    DATA_TRAIN, DATA_VAL = split("target-train"), split("val")


def worker(i, n, threads, layout, results, barrier):
    begin(threads)
    trial(99, layout)  # warm
    barrier.wait()
    for s in range(i, TRIALS, n):
        results.put(trial(s, layout))
    barrier.wait()


def theirs(n, threads, layout):
    """Seconds and accuracies of all trials in `n` processes."""
    results = multiprocessing.get_context("spawn").Queue()
    with processes(n, worker, n, threads, layout, results) as barrier:
        barrier.wait()
        began = time.perf_counter()
        accs = [results.get() for _ in range(TRIALS)]
        barrier.wait()
        return time.perf_counter() - began, accs


def pair_worker(_, layout, optimizer, frozen, barrier):
    begin(1)
    trial(99, layout, optimizer, frozen, epochs=2)  # warm
    barrier.wait()
    trial(0, layout, optimizer, frozen)
    barrier.wait()


def pair_seconds(optimizer, frozen, layout, rounds):
    """Median seconds of two processes that train one trial each at the same time."""
    took = []
    for _ in range(rounds):
        with processes(2, pair_worker, layout, optimizer, frozen) as barrier:
            barrier.wait()
            began = time.perf_counter()
            barrier.wait()
            took.append(time.perf_counter() - began)
    return statistics.median(took)


def ours(program):
    with tempfile.TemporaryDirectory() as d:
        sets = ["parameters={optimizer: sgd, backbone_lr: 3e-4, classifier_lr: 3e-2}", "baseline={backbone_lr: 3e-4}"]
        args = [a for s in sets + [f"repeats={TRIALS}"] for a in ("--set", s)]
        began = time.perf_counter()
        subprocess.run([program, "run", "grids/differential-lr.yaml", "-o", d + "/r", "-j", "2", "--quiet", "--no-report", *args],
                       check=True, stdout=subprocess.DEVNULL)
        took = time.perf_counter() - began
        rows = [r.split(",") for r in open(d + "/r/trials.csv").read().splitlines()]
        col = rows[0].index
        accs = [(float(r[col("train_eval_acc")]), float(r[col("val_acc")])) for r in rows[1:]]
        assert len(accs) == TRIALS
        return took, accs


def mean(accs):
    return "train %.1f %%, val %.1f %%" % tuple(100 * sum(a) / len(a) for a in zip(*accs))


def run(program, rounds):
    sides = {
        "gapsweep, 2 workers (its start-up included)": lambda: ours(program),
        "PyTorch, 2 processes x 1 thread": lambda: theirs(2, 1, torch.contiguous_format),
        "PyTorch, 2 processes x 1 thread, channels_last": lambda: theirs(2, 1, torch.channels_last),
        "PyTorch, 1 process x 2 threads": lambda: theirs(1, 2, torch.contiguous_format),
        "PyTorch, 1 process x 2 threads, channels_last": lambda: theirs(1, 2, torch.channels_last),
    }
    times = {name: [] for name in sides}
    accs = {}
    for _ in range(rounds):
        for name, side in sides.items():
            took, accs[name] = side()
            times[name].append(took)
    print(f"{TRIALS} trials of the demo grid, PyTorch with tuned malloc, s, median of {rounds} rounds")
    median = {name: statistics.median(t) for name, t in times.items()}
    for name, t in times.items():
        print(f"  {name:48s} {median[name]:6.2f} s ({min(t):.2f} .. {max(t):.2f})   {mean(accs[name])}")
    mine = next(iter(median.values()))
    print("  against PyTorch's best mode: %.2fx" % (min(list(median.values())[1:]) / mine))
