"""peers_torch.py WORK PASS LAYOUT THREADS - PyTorch's side of peers.py: a process that runs rounds when it is told to.

Builds the network of bench_net's row WORK, warms, and prints "ready". For every number K that it reads it runs K training
steps (PASS train: cross-entropy, backward, SGD with momentum) or K evaluations of a batch (PASS eval), and prints the
seconds. At the end of its input it prints its peak memory in bytes. LAYOUT: contiguous or channels_last.
"""
import resource, sys, time

import torch
import torch.nn.functional as F
from torch import nn

# glibc's malloc told to keep freed memory; read at a process's start.
TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "16000000000", "MALLOC_TOP_PAD_": "268435456"}


class Block(nn.Module):
    def __init__(self, c, k, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c, k, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(k)
        self.conv2 = nn.Conv2d(k, k, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(k)
        self.downsample = None
        if stride != 1 or c != k:
            self.downsample = nn.Sequential(nn.Conv2d(c, k, 1, stride, bias=False), nn.BatchNorm2d(k))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True)))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)), inplace=True)


class ResNet(nn.Module):
    """Basic blocks; `imagenet` has the 7x7 stem with its pooling, else a 3x3 one."""

    def __init__(self, channels, width, stages, blocks, stem_stride, classes, imagenet=False):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 7 if imagenet else 3, stem_stride, 3 if imagenet else 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.pool = nn.MaxPool2d(3, 2, 1) if imagenet else None
        self.stages = stages
        c = width
        for s in range(stages):
            k = width << s
            first = Block(c, k, 2 if s else 1)
            setattr(self, f"layer{s + 1}", nn.Sequential(first, *[Block(k, k, 1) for _ in range(blocks - 1)]))
            c = k
        self.fc = nn.Linear(c, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        if self.pool is not None:
            x = self.pool(x)
        for s in range(self.stages):
            x = getattr(self, f"layer{s + 1}")(x)
        return self.fc(x.mean((2, 3)))


def slim():
    return ResNet(1, 8, 3, 1, 2, 10)


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, 1, 1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, 1, 1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(inplace=True), nn.Linear(128, 10),
    )


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(inplace=True), nn.Linear(256, 10))


# Network, one sample's shape, batch, classes: bench_net's rows.
WORKS = {
    "resnet18-224": (lambda: ResNet(3, 64, 4, 2, 2, 1000, imagenet=True), (3, 224, 224), 32, 1000),
    "resnet18-32": (lambda: ResNet(3, 64, 4, 2, 1, 10), (3, 32, 32), 128, 10),
    "resnet-slim-28": (slim, (1, 28, 28), 32, 10),
    "cnn-28": (cnn, (1, 28, 28), 64, 10),
    "mlp-b64": (mlp, (1, 28, 28), 64, 10),
    "mlp-b16": (mlp, (1, 28, 28), 16, 10),
}


def trainer(net, x, y):
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9)
    net.train()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def evaluator(net, x):
    net.eval()

    def evaluate():
        with torch.inference_mode():
            return net(x)

    return evaluate


def main():
    work, which, layout, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    torch.manual_seed(0)
    make, shape, batch, classes = WORKS[work]
    layout = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    net = make().to(memory_format=layout)
    x = torch.randn(batch, *shape).to(memory_format=layout)
    y = torch.arange(batch) % classes
    call = trainer(net, x, y) if which == "train" else evaluator(net, x)
    for _ in range(2):
        call()
    print("ready", flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        for _ in range(int(line)):
            call()
        print(time.perf_counter() - began, flush=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)


if __name__ == "__main__":
    main()
