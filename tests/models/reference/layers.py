#!/usr/bin/python3
"""Layers over sequences and images in PyTorch (float64): writes inputs, parameters, outputs and every gradient as the C++
header that tests/models/sequence_layers_test.cc and image_layers_test.cc include. Run: /usr/bin/python3 layers.py > layers.h
(PyTorch 1.13)."""
import torch
import torch.nn.functional as F

torch.manual_seed(21)
torch.set_default_dtype(torch.float64)
LENGTHS = [3, 0, 5, 1]  # events of each row; they lie behind one another


def rounded(*shape):  # values that float holds exactly
    return (torch.randn(*shape) * 0.7).float().double()


def by_row(x, f):
    """f of each row's events on their own, as one matrix again."""
    return torch.cat([f(part) for part in torch.split(x, LENGTHS) if len(part)])


def layer_norm(w):
    return F.layer_norm(w['x'], (6,), w['norm.scale'][0], w['norm.shift'][0], eps=1e-5)


def attention(w):  # nn.MultiheadAttention whose projections are identities
    eye, zero = torch.eye(6), torch.zeros(18)

    def row(x):
        q, k, v = (part.unsqueeze(1) for part in x.split(6, 1))  # [events, 1, d]
        future = torch.triu(torch.ones(len(x), len(x), dtype=torch.bool), 1)
        y, _ = F.multi_head_attention_forward(
            q, k, v, 6, 2, None, zero, None, None, False, 0.0, eye, torch.zeros(6), training=False, need_weights=False,
            attn_mask=future, use_separate_proj_weight=True, q_proj_weight=eye, k_proj_weight=eye, v_proj_weight=eye)
        return y[:, 0]

    return by_row(w['x'], row)


def gru(w):
    parameters = [w['gru.input.weight'].t(), w['gru.recurrent.weight'].t(), w['gru.input.bias'][0], w['gru.recurrent.bias'][0]]

    def row(x):
        return torch.gru(x.unsqueeze(1), torch.zeros(1, 1, 4), parameters, True, 1, 0.0, False, False, False)[0][:, 0]

    return by_row(w['x'], row)


def lstm(w):  # whose second bias is zero
    parameters = [w['lstm.input.weight'].t(), w['lstm.recurrent.weight'].t(), w['lstm.input.bias'][0], torch.zeros(16)]

    def row(x):
        state = (torch.zeros(1, 1, 4), torch.zeros(1, 1, 4))
        return torch.lstm(x.unsqueeze(1), state, parameters, True, 1, 0.0, False, False, False)[0][:, 0]

    return by_row(w['x'], row)


def convolution(w):  # four steps of three channels, filters of height 2, then the largest of the three places
    x = w['x'].reshape(-1, 4, 3).transpose(1, 2)
    filters = w['convolution.weight'].reshape(2, 3, 5).permute(2, 1, 0)
    y = torch.relu(F.conv1d(x, filters, w['convolution.bias'][0]))
    return F.max_pool1d(y, 3)[:, :, 0]


def vertical(w):  # as in the paper: a 2-D convolution of height 4 and width 1
    x = w['x'].reshape(-1, 1, 4, 3)
    return F.conv2d(x, w['vertical.weight'].reshape(2, 1, 4, 1))[:, :, 0, :].reshape(-1, 6)


def image(w):  # 4 x 5 pixels of two channels, then the largest of 2 x 2
    x = w['x'].reshape(-1, 4, 5, 2).permute(0, 3, 1, 2)
    filters = w['image.weight'].reshape(3, 3, 2, 3).permute(3, 2, 0, 1)
    y = F.max_pool2d(torch.relu(F.conv2d(x, filters, w['image.bias'][0], padding=1)), 2)
    return y.permute(0, 2, 3, 1).reshape(len(y), -1)


def numbers(values):
    return '{' + ', '.join(repr(v.item()) for v in values.detach().reshape(-1)) + '}'


def case(name, f, shapes):
    w = {k: rounded(*shape).requires_grad_() for k, shape in shapes.items()}
    y = f(w)
    dy = rounded(*y.shape)
    y.backward(dy)
    print(f'inline const LayerCase {name} = {{')
    for pairs in [[(k, v) for k, v in w.items()], [(k, v.grad) for k, v in w.items()]]:
        print('    {' + ',\n     '.join(f'{{"{k}", {numbers(v)}}}' for k, v in pairs) + '},')
    print(f'    {numbers(y)},\n    {numbers(dy)}}};\n')


print('''// Written by layers.py.
// clang-format off
#pragma once

#include <map>
#include <string>
#include <vector>

namespace sherd::reference {

struct LayerCase {
  std::map<std::string, std::vector<double>> tensors, gradients;
  std::vector<double> output, output_gradient;
};
''')
case('kLayerNorm', layer_norm, {'x': (9, 6), 'norm.scale': (1, 6), 'norm.shift': (1, 6)})
case('kAttention', attention, {'x': (9, 18)})
case('kGru', gru, {'x': (9, 6), 'gru.input.weight': (6, 12), 'gru.input.bias': (1, 12),
                   'gru.recurrent.weight': (4, 12), 'gru.recurrent.bias': (1, 12)})
case('kConvolution', convolution, {'x': (9, 12), 'convolution.weight': (6, 5), 'convolution.bias': (1, 5)})
case('kVertical', vertical, {'x': (9, 12), 'vertical.weight': (2, 4)})
case('kImage', image, {'x': (9, 40), 'image.weight': (18, 3), 'image.bias': (1, 3)})
case('kLstm', lstm, {'x': (9, 6), 'lstm.input.weight': (6, 16), 'lstm.input.bias': (1, 16), 'lstm.recurrent.weight': (4, 16)})
print('}  // namespace sherd::reference')
