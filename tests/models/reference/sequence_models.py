#!/usr/bin/python3
"""Models of sequences in PyTorch (float64): writes a tiny batch, parameters, logits, loss and every gradient as the C++ header
that tests/models/sequence_models_test.cc includes. Run: /usr/bin/python3 sequence_models.py > sequence_models.h (PyTorch
1.13)."""
import math

import torch
import torch.nn.functional as F

torch.manual_seed(22)
torch.set_default_dtype(torch.float64)
DIM, PLACES, UNITS, WINDOW, HORIZONTAL, VERTICAL = 4, 5, 3, 3, 2, 2
# Events of each row and what followed them, as rows of the table; 2 follows twice.
HISTORIES = [[0, 1, 2], [], [3, 1, 4, 4, 5], [2]]
NEXT = [[1, 2, 4], [], [1, 4, 4, 5, 0], [2]]
USERS = [1, 0, 2, 1]
UNIQUE, UNIQUE_USERS, TEMPERATURE = 6, 3, 0.8
LOG_SHARES = [-1.0, -2.5, -1.75, -3.0, -2.0, -1.25]


def rounded(*shape):  # values that float holds exactly
    return (torch.randn(*shape) * 0.5).float().double()


def linear(w, name, x):
    return x @ w[name + '.weight'] + w[name + '.bias'][0]


def norm(w, name, x):
    return F.layer_norm(x, (DIM,), w[name + '.scale'][0], w[name + '.shift'][0], eps=1e-5)


def sasrec(w, e, user):
    x = e + w['input.position'][:len(e)]
    future = torch.triu(torch.ones(len(x), len(x), dtype=torch.bool), 1)
    y = norm(w, 'block.0.attention_norm', x).unsqueeze(1)
    y, _ = F.multi_head_attention_forward(
        y, y, y, DIM, 2, w['block.0.query_key_value.weight'].t(), w['block.0.query_key_value.bias'][0], None, None, False,
        0.0, w['block.0.attended.weight'].t(), w['block.0.attended.bias'][0], training=False, need_weights=False,
        attn_mask=future)
    x = x + y[:, 0]
    y = torch.relu(linear(w, 'block.0.network.0', norm(w, 'block.0.network_norm', x)))
    return norm(w, 'norm', x + linear(w, 'block.0.network.1', y))


def gru4rec(w, e, user):
    parameters = [w['gru.0.input.weight'].t(), w['gru.0.recurrent.weight'].t(), w['gru.0.input.bias'][0],
                  w['gru.0.recurrent.bias'][0]]
    y = torch.gru(e.unsqueeze(1), torch.zeros(1, 1, UNITS), parameters, True, 1, 0.0, False, False, False)[0][:, 0]
    return linear(w, 'output', y)


def lstm_layer(w, name, x):
    parameters = [w[name + '.input.weight'].t(), w[name + '.recurrent.weight'].t(), w[name + '.input.bias'][0],
                  torch.zeros(4 * UNITS)]
    state = (torch.zeros(1, 1, UNITS), torch.zeros(1, 1, UNITS))
    return torch.lstm(x.unsqueeze(1), state, parameters, True, 1, 0.0, False, False, False)[0][:, 0]


def lstm(w, e, user):
    return linear(w, 'output', lstm_layer(w, 'lstm.0', e))


def seq2seq(w, e, user):  # as many steps back as there are targets
    code = lstm_layer(w, 'lstm.0', e)[-1]
    return linear(w, 'output', lstm_layer(w, 'decoder.0', code.expand(len(e), UNITS)))


def caser(w, e, user):
    outputs = []
    for k in range(len(e)):
        image = e[max(0, k + 1 - WINDOW):k + 1]
        image = F.pad(image, (0, 0, WINDOW - len(image), 0)).reshape(1, 1, WINDOW, DIM)
        found = [F.conv2d(image, w['vertical.weight'].reshape(VERTICAL, 1, WINDOW, 1)).reshape(-1)]
        for h in range(1, WINDOW + 1):
            filters = w[f'horizontal.{h}.weight'].t().reshape(HORIZONTAL, 1, h, DIM)
            y = torch.relu(F.conv2d(image, filters, w[f'horizontal.{h}.bias'][0]))
            found.append(F.max_pool2d(y, (WINDOW + 1 - h, 1)).reshape(-1))
        outputs.append(torch.cat([torch.relu(linear(w, 'hidden', torch.cat(found))), user]))
    return linear(w, 'output', torch.stack(outputs))


def cdae(w, e, user):  # the same for all of a user's items
    return torch.tanh(e.sum(0) + user + w['hidden.bias'][0]).expand(len(e), DIM)


def layers(*shapes):
    """Shapes of linear layers by (name, in, out)."""
    return {f'{name}.{part}': shape for name, i, o in shapes for part, shape in [('weight', (i, o)), ('bias', (1, o))]}


def norms(*names):
    return {f'{name}.{part}': (1, DIM) for name in names for part in ['scale', 'shift']}


SASREC = {'input.position': (PLACES, DIM), **norms('block.0.attention_norm', 'block.0.network_norm', 'norm'),
          **layers(('block.0.query_key_value', DIM, 3 * DIM), ('block.0.attended', DIM, DIM), ('block.0.network.0', DIM, DIM),
                   ('block.0.network.1', DIM, DIM))}
GRU4REC = layers(('gru.0.input', DIM, 3 * UNITS), ('gru.0.recurrent', UNITS, 3 * UNITS), ('output', UNITS, DIM))
LSTM = {**layers(('lstm.0.input', DIM, 4 * UNITS), ('output', UNITS, DIM)), 'lstm.0.recurrent.weight': (UNITS, 4 * UNITS)}
SEQ2SEQ = {**LSTM, **layers(('decoder.0.input', UNITS, 4 * UNITS)), 'decoder.0.recurrent.weight': (UNITS, 4 * UNITS)}
CASER = {'vertical.weight': (VERTICAL, WINDOW),
         **layers(*[(f'horizontal.{h}', h * DIM, HORIZONTAL) for h in range(1, WINDOW + 1)],
                  ('hidden', VERTICAL * DIM + WINDOW * HORIZONTAL, DIM), ('output', 2 * DIM, DIM))}


def numbers(values):
    return '{' + ', '.join(repr(v.item()) for v in values.detach().reshape(-1)) + '}'


def case(name, f, shapes):
    w = {k: rounded(*shape) for k, shape in shapes.items()}
    w['items'], w['users'] = rounded(UNIQUE, DIM), rounded(UNIQUE_USERS, DIM)
    for values in w.values():
        values.requires_grad_()
    targets = [i for row in NEXT for i in row]
    x = torch.cat([f(w, w['items'][row], w['users'][user]) for row, user in zip(HISTORIES, USERS) if row])
    e = w['items'][targets]
    logits = (x * e).sum(1)
    scores = x @ e.t() / TEMPERATURE - torch.tensor([LOG_SHARES[i] for i in targets])
    same = torch.tensor([[a == b and i != j for j, b in enumerate(targets)] for i, a in enumerate(targets)])
    loss = F.cross_entropy(scores.masked_fill(same, -math.inf), torch.arange(len(targets)), reduction='sum')
    loss.backward()
    print(f'inline const ModelCase {name} = {{')
    for pairs in [w.items(), [(k, v.grad) for k, v in w.items() if v.grad is not None]]:
        print('    {' + ',\n     '.join(f'{{"{k}", {numbers(v)}}}' for k, v in pairs) + '},')
    print(f'    {numbers(logits)},\n    {loss.item()!r}}};\n')


print('''// Written by sequence_models.py.
// clang-format off
#pragma once

#include <map>
#include <string>
#include <vector>

namespace sherd::reference {

struct ModelCase {
  std::map<std::string, std::vector<double>> tensors, gradients;  // "items" and "users" are tables
  std::vector<double> logits;
  double loss;
};
''')
case('kSasRec', sasrec, SASREC)
case('kGru4Rec', gru4rec, GRU4REC)
case('kCaser', caser, CASER)
case('kLstmModel', lstm, LSTM)
case('kCdae', cdae, {'hidden.bias': (1, DIM)})
case('kSeq2Seq', seq2seq, SEQ2SEQ)
print('}  // namespace sherd::reference')
