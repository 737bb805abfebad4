#!/usr/bin/python3
"""A tiny DeepFM in PyTorch (float64): writes its inputs, logits, loss and every gradient as the C++ header that
tests/models/pytorch_parity_test.cc includes. Run: /usr/bin/python3 deepfm_tiny.py > deepfm_tiny.h (PyTorch 1.13)."""
import torch
import torch.nn.functional as F

torch.manual_seed(20)
torch.set_default_dtype(torch.float64)
ROWS, FIELDS, DIM, NUMBERS, UNIQUE = 6, 3, 4, 2, 5


def rounded(*shape):  # values that float holds exactly
    return (torch.randn(*shape) * 0.7).float().double()


index = torch.randint(0, UNIQUE, (ROWS, FIELDS))
table = rounded(UNIQUE, 1 + DIM).requires_grad_()  # first-order weight, then factors
numbers = rounded(ROWS, NUMBERS)
labels = torch.tensor([1., 0., 0., 1., 1., 0.])
weights = torch.tensor([1., 2., .5, 1., 0., 3.])
W = {'numbers.linear.weight': rounded(NUMBERS, 1), 'tower.0.weight': rounded(FIELDS * DIM + NUMBERS, 5),
     'tower.0.bias': rounded(1, 5), 'tower.0.norm.scale': rounded(1, 5), 'tower.0.norm.shift': rounded(1, 5),
     'tower.1.weight': rounded(5, 3), 'tower.1.bias': rounded(1, 3), 'tower.1.norm.scale': rounded(1, 3),
     'tower.1.norm.shift': rounded(1, 3), 'deep_output.weight': rounded(3, 1), 'output.bias': rounded(1, 1)}
for w in W.values():
    w.requires_grad_()
running = [(torch.zeros(n), torch.ones(n)) for n in (5, 3)]

rows = table[index]  # [rows, fields, 1 + dim]
linear, v = rows[:, :, 0], rows[:, :, 1:]
x = torch.cat([v.reshape(ROWS, -1), numbers], 1)
for i in range(2):
    x = x @ W[f'tower.{i}.weight'] + W[f'tower.{i}.bias']
    x = F.batch_norm(x, running[i][0], running[i][1], W[f'tower.{i}.norm.scale'][0], W[f'tower.{i}.norm.shift'][0],
                     training=True, momentum=0.1, eps=1e-5)
    x = torch.relu(x)
pairs = 0.5 * (v.sum(1) ** 2 - (v ** 2).sum(1)).sum(1, keepdim=True)
logits = (linear.sum(1, keepdim=True) + numbers @ W['numbers.linear.weight'] + pairs + x @ W['deep_output.weight']
          + W['output.bias'])[:, 0]
loss = F.binary_cross_entropy_with_logits(logits, labels, weight=weights, reduction='sum')
loss.backward()


def array(kind, name, values):
    text = ', '.join(repr(v.item()) for v in values.detach().reshape(-1))
    print(f'inline const std::vector<{kind}> {name} = {{{text}}};')


def tensors(name, pairs):
    print(f'inline const std::map<std::string, std::vector<double>> {name} = {{')
    for key, values in pairs:
        print(f'    {{"{key}", {{' + ', '.join(repr(v.item()) for v in values.detach().reshape(-1)) + '}},')
    print('};')


print('// Written by deepfm_tiny.py. clang-format off\n#pragma once\n\n#include <cstdint>\n#include <map>\n#include <string>\n'
      '#include <vector>\n\nnamespace sherd::reference {\n')
array('std::uint32_t', 'kIndex', index)
array('float', 'kNumbers', numbers)
array('float', 'kLabels', labels)
array('float', 'kWeights', weights)
array('double', 'kTable', table)
array('double', 'kLogits', logits)
print(f'inline const double kLoss = {loss.item()!r};')
array('double', 'kTableGradient', table.grad)
tensors('kTensors', W.items())
tensors('kGradients', [(k, w.grad) for k, w in W.items()])
# After one step from 0 and 1 with momentum 0.1.
tensors('kRunning', [(f'tower.{i}.norm.running_{k}', running[i][j]) for i in range(2) for j, k in enumerate(['mean', 'variance'])])
print('\n}  // namespace sherd::reference')
