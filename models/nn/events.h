#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// Layers over the events of each row in their order: activations of a domain, [events, cols], the k-th event of a row
// after the one before it.

// y_k = x_k + p_place, where an event's place is its number among the row's, from 0; all [events, cols]. The p are the
// tensor `name`.position [places, cols], of these first weights; no row may have more events than places (Kang and
// McAuley 2018, equation 1).
template <typename T>
Activation<T>* AddPositions(Graph<T>* graph, const std::string& name, Activation<T>* x, std::uint32_t places,
                            const proto::Initializer& initializer, const proto::Optimizer& optimizer);

// y [events, window * cols]: each event with those before it, the earliest first; zero where there are none.
template <typename T>
Activation<T>* Windows(Graph<T>* graph, const std::string& name, Activation<T>* x, std::uint32_t window);

// y [targets, cols], from x [events, cols] of the same batch rows: a row's m targets get its last m events' vectors, in
// order. So in training, with a target for each event, they go side by side, and one target on its own gets what the
// whole history comes to. Zero for a target that has no event.
template <typename T>
Activation<T>* LastEvents(Graph<T>* graph, const std::string& name, Activation<T>* x, const Domain* targets);

// y [rows, cols], from x [events, cols]: of each row its last event's vector; zero of a row without events.
template <typename T>
Activation<T>* LastEvent(Graph<T>* graph, const std::string& name, Activation<T>* x);

}  // namespace sherd::nn
