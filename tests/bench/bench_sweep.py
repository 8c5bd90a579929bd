#!/usr/bin/python3
"""bench_sweep.py GAPSWEEP [--only ROW]... [--rounds N] [--repeats N] - what sharing is worth: whole sweeps, this machine, one run.

frozen    30 frozen-backbone trials (10 head rates x 3 optimizers) of resnet18, 64x64, against one such trial
kept      the same with freeze_bn: the features are computed once
noshare   the demo grid with --no-share against shared; the three tables must be equal byte for byte
demo      the demo grid against PyTorch
column    the demo grid and ten more head rates at backbone rate 0, against PyTorch

Wall-clock time of the whole command, without charts; sides take turns, medians over the rounds. PyTorch (malloc tuned, 2
processes x 1 thread, the better of two memory layouts for SGD) trains a few trials of each kind - SGD or Adam, frozen (requires_grad_(False)) or
trained - and the time of a kind is taken that many times: two such trials at once, its start-up not counted.
"""
import argparse, filecmp, os, statistics, subprocess, sys, tempfile, time

sys.dont_write_bytecode = True
RATES = "[1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1]"
DEMO = "grids/differential-lr.yaml"
BIG = """name: frozen
data:
  train: {fake: {n: 512, shape: [3, 64, 64], classes: 10}}
  val: {fake: {n: 256, shape: [3, 64, 64], classes: 10, seed: 1}}
model: {arch: resnet18}
epochs: 3
batch_size: 32
momentum: 0.9
"""
MANY = BIG + "parameters: {backbone_lr: 0, classifier_lr: %s, optimizer: [sgd, adam, rmsprop]}\n" % RATES
ONE = BIG + "parameters: {backbone_lr: 0, classifier_lr: 1e-2, optimizer: sgd}\n"
COLUMN = "  - {optimizer: [sgd, adam], backbone_lr: 0, classifier_lr: [1e-4, 2e-4, 5e-4, 2e-3, 4e-3, 6e-3, 1.5e-2, 2e-2, 5e-2, 2e-1]}\n"


def sweep(grid, out, *more):
    began = time.perf_counter()
    subprocess.run([PROGRAM, "run", grid, "-o", out, "--quiet", "--no-report", *more], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def grid_file(folder, name, text):
    path = f"{folder}/{name}.yaml"
    with open(path, "w") as f:
        f.write(text)
    return path


def rounds(sides):
    """Medians of the sides' seconds; each side gets a fresh folder."""
    times = [[] for _ in sides]
    for _ in range(ROUNDS):
        for i, side in enumerate(sides):
            with tempfile.TemporaryDirectory() as d:
                times[i].append(side(d))
    return [statistics.median(t) for t in times]


def against_one(name, *more):
    for label, workers in (("one worker", ["-j", "1", "--threads", "1"]), ("as it comes", [])):
        many, one = rounds(
            [lambda d: sweep(grid_file(d, "many", MANY), d + "/r", *workers, *more), lambda d: sweep(grid_file(d, "one", ONE), d + "/r", *workers, *more)]
        )
        print(f"{name:8s} {label:12s} 30 trials {many:6.2f} s, one {one:6.2f} s: {many / one:.2f} times as long", flush=True)


def noshare():
    with tempfile.TemporaryDirectory() as keep:
        shared, alone = rounds([lambda d: sweep(DEMO, keep + f"/s{time.time()}", *SEEDS), lambda d: sweep(DEMO, keep + f"/a{time.time()}", "--no-share", *SEEDS)])
        runs = [f"{keep}/{r}" for r in sorted(os.listdir(keep))]
        for table in ("trials.csv", "epochs.csv", "cells.csv"):
            for r in runs[1:]:
                if not filecmp.cmp(f"{runs[0]}/{table}", f"{r}/{table}", shallow=False):
                    sys.exit(f"bench_sweep.py: {table} of two runs differ")
    print(f"noshare  shared {shared:.2f} s, --no-share {alone:.2f} s: {alone / shared:.2f}x, equal bytes", flush=True)


def torch_kinds():
    """Seconds that two processes need for one trial each, by kind: (optimizer, frozen)."""
    import peers_demo
    import torch

    layouts = {l: peers_demo.pair_seconds("sgd", False, l, ROUNDS) for l in (torch.contiguous_format, torch.channels_last)}
    layout = min(layouts, key=layouts.get)
    kinds = {(o, f): peers_demo.pair_seconds(o, f, layout, ROUNDS) for o, f in (("sgd", True), ("adam", False), ("adam", True))}
    return {("sgd", False): layouts[layout], **kinds}


def column(d):
    text = open(DEMO).read().replace("fashion/", os.path.abspath("grids/fashion") + "/")
    return sweep(grid_file(d, "column", text + COLUMN), d + "/r", *SEEDS)


def against_torch(rows):
    kinds = torch_kinds()
    for (o, f), t in kinds.items():
        print(f"         PyTorch, {o}, {'frozen' if f else 'trained'}: {t:.2f} s for two trials, one a process", flush=True)
    # trials of the demo: 12 trained and 3 frozen cells of each optimizer, as many seeds
    demo = sum(REPEATS * ((3 if f else 12) * t / 2) for (o, f), t in kinds.items())
    more = sum(REPEATS * 10 * t / 2 for (o, f), t in kinds.items() if f)
    if "demo" in rows:
        (ours,) = rounds([lambda d: sweep(DEMO, d + "/r", *SEEDS)])
        print(f"demo     {30 * REPEATS} trials: {ours:.2f} s, PyTorch {demo:.1f} s: {demo / ours:.2f}x", flush=True)
    if "column" in rows:
        (ours,) = rounds([column])
        print(f"column   {50 * REPEATS} trials: {ours:.2f} s, PyTorch {demo + more:.1f} s: {(demo + more) / ours:.2f}x", flush=True)


def main():
    global PROGRAM, ROUNDS, REPEATS, SEEDS
    names = ["frozen", "kept", "noshare", "demo", "column"]
    args = argparse.ArgumentParser()
    args.add_argument("program")
    args.add_argument("--only", action="append", choices=names)
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--repeats", type=int, default=5, help="of the demo grid's cells")
    a = args.parse_args()
    PROGRAM, ROUNDS, REPEATS = os.path.abspath(a.program), a.rounds, a.repeats
    SEEDS = ["--set", f"repeats={REPEATS}"]
    rows = a.only or names
    if "frozen" in rows:
        against_one("frozen")
    if "kept" in rows:
        against_one("kept", "--set", "freeze_bn=true")
    if "noshare" in rows:
        noshare()
    if "demo" in rows or "column" in rows:
        against_torch(rows)


if __name__ == "__main__":
    main()
