#!/usr/bin/python3
"""bench_sched.py GAPSWEEP [--only ROW]... [--rounds N] - the scheduler: this machine, one run.

workers   150 equal trials of the demo's network (a third of the demo's length, so that a start-up of 0.3 s is not what is
          measured), one worker against two, each on one thread; sides take turns, medians
empty     10,000 trials that compute next to nothing: what plan, scheduler and store cost a trial, tables included
memory    1,000 trials in one process: its resident memory after 50 of them and at the end
"""
import argparse, os, statistics, subprocess, tempfile, time

EQUAL = """name: equal
data:
  train: {fake: {n: 256, shape: [1, 28, 28], classes: 10}}
  val: {fake: {n: 128, shape: [1, 28, 28], classes: 10, seed: 1}}
model: {arch: resnet-slim}
epochs: 10
batch_size: 32
repeats: 150
parameters: {backbone_lr: 1e-3, classifier_lr: 1e-2}
"""
EMPTY = """name: empty
data:
  train: {fake: {n: 2, shape: [1, 2, 2], classes: 2}}
  val: {fake: {n: 2, shape: [1, 2, 2], classes: 2, seed: 1}}
model: {arch: mlp, hidden: 16}
epochs: 1
batch_size: 2
repeats: %d
parameters: {backbone_lr: 1e-3, classifier_lr: 1e-2}
"""


def command(d, text, *more):
    with open(d + "/grid.yaml", "w") as f:
        f.write(text)
    return [PROGRAM, "run", d + "/grid.yaml", "-o", d + "/r", "--quiet", "--no-report", *more]


def seconds(text, *more):
    with tempfile.TemporaryDirectory() as d:
        began = time.perf_counter()
        subprocess.run(command(d, text, *more), check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began


def workers():
    one, two = [], []
    for _ in range(ROUNDS):
        one.append(seconds(EQUAL, "-j", "1", "--threads", "1"))
        two.append(seconds(EQUAL, "-j", "2", "--threads", "1"))
    a, b = statistics.median(one), statistics.median(two)
    print(f"workers  150 equal trials: one worker {a:.2f} s, two {b:.2f} s: {a / b:.2f}x", flush=True)


def empty():
    s = seconds(EMPTY % 10000)
    print(f"empty    10,000 empty trials: {s:.2f} s, {s / 10:.2f} ms a trial", flush=True)


def resident(pid):
    """Of the runner, the supervisor's child, in kB."""
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        child = f.read().split()[0]
    with open(f"/proc/{child}/status") as f:
        return int(next(line for line in f if line.startswith("VmRSS:")).split()[1])


def memory():
    with tempfile.TemporaryDirectory() as d:
        run = subprocess.Popen(command(d, EQUAL.replace("150", "1000").replace("epochs: 10", "epochs: 2").replace("256", "32"), "--json"), stdout=subprocess.PIPE, text=True)
        for n, _ in enumerate(run.stdout, 1):
            if n == 50:
                first = resident(run.pid)
            if n == 990:
                last = resident(run.pid)
        run.wait()
    print(f"memory   1,000 trials: {first / 1024:.1f} MB after 50, {last / 1024:.1f} MB after 990: {100 * (last / first - 1):+.1f} %", flush=True)


def main():
    global PROGRAM, ROUNDS
    rows = {"workers": workers, "empty": empty, "memory": memory}
    args = argparse.ArgumentParser()
    args.add_argument("program")
    args.add_argument("--only", action="append", choices=list(rows))
    args.add_argument("--rounds", type=int, default=3)
    a = args.parse_args()
    PROGRAM, ROUNDS = os.path.abspath(a.program), a.rounds
    for name in a.only or rows:
        rows[name]()


if __name__ == "__main__":
    main()
