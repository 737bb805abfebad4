#!/usr/bin/python3
"""LightGCN by sparse matrix products in PyTorch (float64), as its authors have it: writes a graph, embeddings, scores, loss
and gradients as the C++ header that tests/models/lightgcn_parity_test.cc includes. User 3 and item 4 have no edge.
Run: /usr/bin/python3 lightgcn_tiny.py > lightgcn_tiny.h (PyTorch 1.13)."""
import torch
import torch.nn.functional as F

torch.manual_seed(3)
torch.set_default_dtype(torch.float64)
USERS, ITEMS, DIM, LAYERS = 4, 5, 3, 3
EDGES = [(0, 0), (0, 1), (0, 3), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2), (2, 3)]
PAIRS = [(0, 0), (1, 2), (2, 3), (3, 1), (0, 4)]  # the rows: each is to be told from the others' items

users = (torch.randn(USERS, DIM) * 0.7).float().double().requires_grad_()
items = (torch.randn(ITEMS, DIM) * 0.7).float().double().requires_grad_()
adjacency = torch.zeros(USERS + ITEMS, USERS + ITEMS)
for u, i in EDGES:
    adjacency[u, USERS + i] = adjacency[USERS + i, u] = 1
degree = adjacency.sum(1)
inverse = torch.where(degree > 0, degree.pow(-0.5), torch.zeros_like(degree))
normalized = (torch.diag(inverse) @ adjacency @ torch.diag(inverse)).to_sparse()

layers = [torch.cat([users, items])]
for _ in range(LAYERS):
    layers.append(torch.sparse.mm(normalized, layers[-1]))
y = torch.stack(layers, 1).mean(1)
u = y[[p[0] for p in PAIRS]]
i = y[[USERS + p[1] for p in PAIRS]]
scores = (u * i).sum(1)
loss = F.cross_entropy(u @ i.T / 0.5, torch.arange(len(PAIRS)), reduction='sum')
loss.backward()


def array(kind, name, values):
    print(f'inline const std::vector<{kind}> {name} = {{{", ".join(repr(v) for v in values)}}};')


def flat(t):
    return [v.item() for v in t.detach().reshape(-1)]


print('// Written by lightgcn_tiny.py.\n// clang-format off\n#pragma once\n\n#include <cstdint>\n#include <utility>\n#include <vector>\n\n'
      'namespace sherd::reference::lightgcn {\n')
print(f'inline constexpr std::uint32_t kUsers = {USERS}, kItems = {ITEMS}, kDim = {DIM}, kLayers = {LAYERS};')
for name, pairs in (('kEdges', EDGES), ('kPairs', PAIRS)):
    print(f'inline const std::vector<std::pair<std::uint32_t, std::uint32_t>> {name} = '
          f'{{{", ".join("{%d, %d}" % p for p in pairs)}}};')
array('double', 'kUserRows', flat(users))
array('double', 'kItemRows', flat(items))
array('double', 'kScores', flat(scores))
print(f'inline constexpr double kLoss = {loss.item()!r};')
array('double', 'kUserGradient', flat(users.grad))
array('double', 'kItemGradient', flat(items.grad))
print('\n}  // namespace sherd::reference::lightgcn')
