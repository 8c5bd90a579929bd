#!/usr/bin/python3
"""peers.py - gapsweep's training steps and evaluations against PyTorch's, on this machine, in one run.

usage: peers.py GAPSWEEP BENCH_NET [--only ROW]... [--rounds N] [--list]

A row is one piece of work and the ratio it should reach. The sides take turns, PyTorch in every mode that might be its
best: contiguous or channels_last maps, malloc as it comes or tuned to keep freed memory, and on two cores one process
with two threads or two processes. Modes that a first short turn shows to be 1.3 times slower than the best are left out of
the rounds; where a goal is against malloc as it comes, its best stays.
Medians over the rounds, of wall-clock time; nothing else should run. --only takes a row or the name of its network.
Needs Debian's python3-torch and python3-numpy.
"""
import argparse, os, re, statistics, subprocess, sys, time
from dataclasses import dataclass, field

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))


@dataclass
class Row:
    name: str
    work: str  # bench_net's and peers_torch.py's name of it
    which: str  # train or eval
    batch: int
    steps: int  # a turn
    goals: list = field(default_factory=list)  # (ratio, PyTorch's modes that it is against)
    two: bool = False  # two trials on two cores
    images: bool = True  # with channels: channels_last is a mode

ANY, PLAIN = "any mode", "malloc as it comes"
ROWS = [
    Row("resnet18-224-train", "resnet18-224", "train", 32, 2, [(3.0, PLAIN), (2.5, ANY)]),
    Row("resnet18-224-eval", "resnet18-224", "eval", 32, 4, [(2.0, ANY)]),
    Row("resnet18-224-two", "resnet18-224", "train", 32, 2, [(2.8, ANY)], two=True),
    Row("resnet18-32-train", "resnet18-32", "train", 128, 1, [(2.5, ANY)]),
    Row("resnet-slim-train", "resnet-slim-28", "train", 32, 100, [(2.5, ANY)]),
    Row("resnet-slim-eval", "resnet-slim-28", "eval", 32, 200, [(2.0, ANY)]),
    Row("mlp-b64-train", "mlp-b64", "train", 64, 400, [(1.7, ANY)], images=False),
    Row("mlp-b16-train", "mlp-b16", "train", 16, 800, [(3.3, ANY)], images=False),
    Row("cnn-train", "cnn-28", "train", 64, 40, [(4.0, ANY)]),
]


class Mode:
    """PyTorch in one mode: `processes` that take their turn together."""

    def __init__(self, row, layout, tuned, threads, processes):
        self.row, self.tuned = row, tuned
        self.name = f"{layout}, {'tuned malloc' if tuned else PLAIN}"
        if row.two:
            self.name += f", {processes} process{'es' if processes > 1 else ''} x {threads} thread{'s' if threads > 1 else ''}"
        self.rates = []
        from peers_torch import TUNED  # here, so that --list needs no PyTorch

        env = {**os.environ, **(TUNED if tuned else {}), "OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, HERE + "/peers_torch.py", row.work, row.which, layout, str(threads)]
        self.jobs = [
            subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
        ]
        for job in self.jobs:
            if job.stdout.readline() != "ready\n":
                sys.exit("peers.py: PyTorch's side did not start")

    def run(self, steps):
        """Images a second."""
        began = time.perf_counter()
        for job in self.jobs:
            job.stdin.write(f"{steps}\n")
            job.stdin.flush()
        took = [float(job.stdout.readline()) for job in self.jobs]
        seconds = took[0] if len(took) == 1 else time.perf_counter() - began
        return len(self.jobs) * steps * self.row.batch / seconds

    def close(self):
        self.bytes = 0
        for job in self.jobs:
            job.stdin.close()
            self.bytes += int(job.stdout.readline())
            job.wait()


class Ours:
    def __init__(self, row, bench, trials):
        self.name = "gapsweep" if not row.two else f"gapsweep, {trials} trial{'s' if trials > 1 else ''}"
        self.row, self.rates = row, []
        self.command = [bench, "-j", str(trials), row.work]

    def run(self, steps):
        text = subprocess.run([*self.command, str(steps)], check=True, capture_output=True, text=True).stdout
        found = re.search(r"([0-9.]+) img/s; evaluation +([0-9.]+) img/s; ([0-9.]+) MB, with data ([0-9.]+) MB, peak so far ([0-9.]+) MB", text)
        train, evaluation, trial, predicted, peak = [float(x) for x in found.groups()]
        self.trial, self.predicted, self.bytes = 1e6 * trial, 1e6 * predicted, 1e6 * peak
        return train if self.row.which == "train" else evaluation


def torch_modes(row):
    layouts = ["channels_last", "contiguous"] if row.images else ["contiguous"]
    shares = [(2, 1), (1, 2)] if row.two else [(1, 1)]
    return [(layout, tuned, threads, processes) for tuned in (True, False) for layout in layouts for threads, processes in shares]


def contenders(row):
    """PyTorch's modes that may be the best, begun one by one; the others end after a short turn. Both lists."""
    left, ended = [], []
    plain_counts = any(against == PLAIN for _, against in row.goals)
    for args in torch_modes(row):
        mode = Mode(row, *args)
        mode.rates = [mode.run(max(1, row.steps // 4))]
        left.append(mode)
        best = {tuned: max((m.rates[0] for m in left if m.tuned == tuned or not plain_counts), default=0) for tuned in (False, True)}
        for m in [m for m in left if m.rates[0] * 1.3 < best[m.tuned]]:
            m.close()
            left.remove(m)
            ended.append(m)
    for m in left:
        m.rates = []
    return left, ended


def take_turns(row, own, rounds):
    """PyTorch's modes; those that cannot be the best have had one short turn, and come last."""
    theirs, ended = contenders(row)
    for _ in range(rounds):
        for side in own + theirs:
            side.rates.append(side.run(row.steps))
    for mode in theirs:
        mode.close()
    return theirs, ended


def verdict(row, mine, theirs, goal, against):
    best = max((s for s in theirs if against == ANY or not s.tuned), key=lambda s: statistics.median(s.rates))
    ratio = statistics.median(mine.rates) / statistics.median(best.rates)
    met = "met" if ratio >= goal else "MISSED"
    print(f"  {row.name}: {ratio:.2f}x PyTorch ({against}: {best.name}); goal {goal:.1f}x: {met}", flush=True)
    return [row.name, against, f"{statistics.median(mine.rates):.1f}", f"{statistics.median(best.rates):.1f}", f"{ratio:.2f}x", f"{goal:.1f}x", met]


def measure(row, bench, rounds):
    own = [Ours(row, bench, 2), Ours(row, bench, 1)] if row.two else [Ours(row, bench, 1)]
    theirs, ended = take_turns(row, own, rounds)
    print(f"{row.name}: img/s, batch {row.batch}, median of {rounds} rounds (least .. most)")
    for side in own + theirs + ended:
        rates = side.rates
        note = "" if side not in ended else "   one short turn before"
        print(f"  {side.name:64s} {statistics.median(rates):9.1f} ({min(rates):.1f} .. {max(rates):.1f}){note}")
    table = [verdict(row, own[0], theirs, *goal) for goal in row.goals]
    if row.two:
        table.append(scaling(row, *own))
    if row.name == "resnet18-224-train":
        table.append(memory(own[0], theirs))
    return table


def scaling(row, two, one):
    ratio = statistics.median(two.rates) / statistics.median(one.rates)
    met = "met" if ratio >= 1.9 else "MISSED"
    print(f"  {row.name}: {ratio:.2f}x a single trial; goal 1.9x: {met}", flush=True)
    return [row.name, "one trial of ours", f"{statistics.median(two.rates):.1f}", f"{statistics.median(one.rates):.1f}", f"{ratio:.2f}x", "1.9x", met]


def memory(mine, theirs):
    """The process that trained one trial, against what was said before it began."""
    least = min(s.bytes for s in theirs)
    off = mine.bytes / mine.predicted - 1
    met = "met" if mine.trial <= 600e6 and abs(off) <= 0.05 else "MISSED"
    print(
        f"  memory: {mine.trial / 1e6:.0f} MB a trial, {mine.predicted / 1e6:.0f} MB predicted with its data, {mine.bytes / 1e6:.0f} MB the whole process ({100 * off:+.1f} %); "
        f"PyTorch {least / 1e6:.0f} MB; goal 600 MB, 5 %: {met}",
        flush=True,
    )
    return ["resnet18-224-memory, MB", "least of all modes", f"{mine.bytes / 1e6:.0f}", f"{least / 1e6:.0f}", f"{least / mine.bytes:.2f}x", "600 MB", met]


def machine():
    import torch

    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
    dnn = re.search(r"MKL-DNN v[0-9.]+", torch.__config__.show())
    print(f"{cpu}, {os.cpu_count()} CPUs, PyTorch {torch.__version__}, {dnn.group(0) if dnn else 'no oneDNN'}")
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        if name in os.environ:
            print(f"{name}={os.environ[name]} (both sides)")


def print_table(table):
    head = ["work", "against PyTorch in", "gapsweep", "PyTorch", "ratio", "goal", ""]
    widths = [max(len(line[i]) for line in [head] + table) for i in range(len(head))]
    print()
    for line in [head] + table:
        print("  ".join(cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))).rstrip())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("gapsweep")
    parser.add_argument("bench_net")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    names = [r.name for r in ROWS] + ["demo"]
    if args.list:
        print("\n".join(names))
        return
    wanted = [n for n in names if not args.only or any(n.startswith(o) for o in args.only)]
    if not wanted:
        sys.exit(f"peers.py: no such row; there are {', '.join(names)}")
    machine()
    table = [line for row in ROWS if row.name in wanted for line in measure(row, args.bench_net, args.rounds)]
    if table:
        print_table(table)
    if "demo" in wanted:
        import peers_demo

        print()
        peers_demo.run(args.gapsweep, 3)


if __name__ == "__main__":
    main()
