#!/usr/bin/python3
"""A hundred steps of three rows of five weights by PyTorch's optimizers (float64), and by LAMB, LARS, FTRL and row-wise
Adagrad in numpy: writes the last weights as the C++ header that tests/ps/optimizer_reference_test.cc includes.
Run: /usr/bin/python3 optimizers.py > optimizers.h (PyTorch 1.13)."""
import numpy as np
import torch

ROWS, DIM, STEPS, MASK = 3, 5, 100, (1 << 64) - 1


def mix(x):  # as Mix in base/hash.h
    x &= MASK
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & MASK
    x = (x ^ x >> 27) * 0x94d049bb133111eb & MASK
    x ^= x >> 31
    return x


def mix2(a, b):
    return mix(a + 0x9e3779b97f4a7c15 * (b + 1))


def value(step, i):  # in [-1, 1), exact in float
    return 2 * (mix2(mix2(77, step), i) >> 40) / 2**24 - 1


def values(step):
    return np.array([[value(step, r * DIM + i) for i in range(DIM)] for r in range(ROWS)])


START = values(1000)


def by_torch(make):
    w = torch.nn.Parameter(torch.tensor(START))
    optimizer = make([w])
    for step in range(STEPS):
        w.grad = torch.tensor(values(step))
        optimizer.step()
    return w.detach().numpy()


def norm(x):
    return np.sqrt((x * x).sum(1, keepdims=True))


def by_numpy(step):
    w, state = START.copy(), {k: np.zeros_like(START) for k in 'mvzn'}
    for t in range(1, STEPS + 1):
        w = step(w, values(t - 1), state, t)
    return w


def rowwise(w, g, s, t):
    s['n'] += (g * g).mean(1, keepdims=True)
    return w - 0.1 * g / (np.sqrt(s['n']) + 1e-10)


def lamb(w, g, s, t):
    s['m'], s['v'] = 0.9 * s['m'] + 0.1 * g, 0.999 * s['v'] + 0.001 * g * g
    u = s['m'] / (1 - 0.9**t) / (np.sqrt(s['v'] / (1 - 0.999**t)) + 1e-6) + 0.1 * w
    return w - 0.01 * norm(w) / norm(u) * u


def lars(w, g, s, t):
    s['m'] = 0.9 * s['m'] + 0.02 * norm(w) / (norm(g) + 0.1 * norm(w)) * (g + 0.1 * w)
    return w - 0.1 * s['m']


def ftrl(w, g, s, t):
    if t == 1:  # the z that gives the first weights
        s['z'] = -(0.5 / 0.2 + 0.1) * w - np.sign(w) * 0.3
    sigma = (np.sqrt(s['n'] + g * g) - np.sqrt(s['n'])) / 0.2
    s['z'], s['n'] = s['z'] + g - sigma * w, s['n'] + g * g
    moved = -(s['z'] - np.sign(s['z']) * 0.3) / ((0.5 + np.sqrt(s['n'])) / 0.2 + 0.1)
    return np.where(np.abs(s['z']) <= 0.3, 0, moved)


optim = torch.optim
RESULTS = {
    'sgd { learning_rate: 0.05 }': by_torch(lambda p: optim.SGD(p, lr=0.05)),
    'sgd { learning_rate: 0.05 momentum: 0.9 }': by_torch(lambda p: optim.SGD(p, lr=0.05, momentum=0.9)),
    'sgd { learning_rate: 0.05 } l2: 0.1': by_torch(lambda p: optim.SGD(p, lr=0.05, weight_decay=0.1)),
    'adagrad { learning_rate: 0.1 }': by_torch(lambda p: optim.Adagrad(p, lr=0.1, eps=1e-10)),
    'adam { learning_rate: 0.01 }': by_torch(lambda p: optim.Adam(p, lr=0.01)),
    'adam { learning_rate: 0.01 } weight_decay: 0.5': by_torch(lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.5)),
    'amsgrad { learning_rate: 0.01 }': by_torch(lambda p: optim.Adam(p, lr=0.01, amsgrad=True)),
    'rmsprop { learning_rate: 0.01 }': by_torch(lambda p: optim.RMSprop(p, lr=0.01)),
    'rmsprop { learning_rate: 0.01 momentum: 0.5 }': by_torch(lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5)),
    'rowwise_adagrad { learning_rate: 0.1 }': by_numpy(rowwise),
    'lamb { learning_rate: 0.01 weight_decay: 0.1 }': by_numpy(lamb),
    'lars { learning_rate: 0.1 trust: 0.02 weight_decay: 0.1 }': by_numpy(lars),
    'ftrl { alpha: 0.2 beta: 0.5 lambda1: 0.3 lambda2: 0.1 }': by_numpy(ftrl),
}
print('// Written by optimizers.py. clang-format off\n#pragma once\n\n#include <map>\n#include <string>\n#include <vector>\n\n'
      'namespace sherd::reference {\n\n// By optimizer in the job file\'s words: weights, row after row.\n'
      'inline const std::map<std::string, std::vector<double>> kLastWeights = {')
for spec, w in RESULTS.items():
    text = [f'{x:.9g}' for x in w.reshape(-1)]
    print(f'    {{"{spec}",\n     {{' + ',\n      '.join(', '.join(text[i:i + DIM]) for i in range(0, ROWS * DIM, DIM)) + '}},')
print('};\n\n}  // namespace sherd::reference')
