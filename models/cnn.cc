#include <string>

#include "models/model_builder.h"
#include "models/nn/class_softmax.h"
#include "models/nn/image.h"

namespace sherd {
namespace {

constexpr std::uint64_t kMaxElements = 1 << 24;  // of an image, or of what a layer makes of it

std::string Size(const nn::ImageShape& shape) {
  return std::to_string(shape.height) + " x " + std::to_string(shape.width) + " x " + std::to_string(shape.channels);
}

// After all layers that the job asks for.
template <typename T>
Result<nn::Activation<T>*> Convolutions(ModelBuilder<T>* m, nn::Activation<T>* x, nn::ImageShape shape) {
  for (int i = 0; i < m->model().image().filters_size(); ++i) {
    const std::string name = "convolution." + std::to_string(i);
    const std::uint32_t filters = m->model().image().filters(i);
    if (shape.height < 2 || shape.width < 2 || std::uint64_t{shape.pixels()} * filters > kMaxElements) {
      return Status::Invalid("model.image.filters: " + std::to_string(filters) + " over an image of " + Size(shape) +
                             ", of layer " + std::to_string(i) + ": it needs 2 x 2 pixels to pool, and at most " +
                             std::to_string(kMaxElements) + " elements");
    }
    x = nn::ImageConvolution(
        m->graph(), name, x, shape,
        {.filters = filters, .weight_optimizer = m->TowerOptimizer(), .bias_optimizer = m->DenseOptimizer()});
    shape.channels = filters;
    x = nn::MaxPool(m->graph(), name + ".max", x, shape);
    shape.height /= 2;
    shape.width /= 2;
  }
  return x;
}

}  // namespace

// A convolutional network that tells images apart, of LeNet's kind (LeCun et al. 1998): layers of 3 x 3 convolution,
// relu and 2 x 2 max pooling, a tower over what they find, and a linear layer to the classes.
template <typename T>
Result<nn::Activation<T>*> BuildCnn(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RequireLoss(proto::Model::CROSS_ENTROPY));
  const proto::Image& image = m->UseImage();
  if (!m->model().has_image() || image.filters().empty()) {
    return Status::Invalid("model.image: cnn needs it, with filters for each layer");
  }
  if (m->Numbers() == nullptr || !m->layout().tables.empty()) {
    return Status::Invalid("feature: cnn takes an image's pixels, as numbers, and no others");
  }
  const nn::ImageShape shape = {image.height(), image.width(), image.channels()};
  const std::uint64_t elements = std::uint64_t{image.height()} * image.width() * image.channels();
  if (std::uint64_t{image.height()} * image.width() > kMaxElements || elements != m->Numbers()->cols) {
    return Status::Invalid("model.image: " + Size(shape) + " are " + std::to_string(elements) +
                           " numbers, and the job has " + std::to_string(m->Numbers()->cols) + " features");
  }
  ASSIGN_OR_RETURN(nn::Activation<T> * x, Convolutions(m, m->Numbers(), shape));
  const auto& hidden = m->model().tower().hidden();
  x = m->Tower(x, {hidden.data(), hidden.data() + hidden.size()});
  x = nn::Linear(
      m->graph(), "output", x,
      {.units = m->model().classes(), .weight_optimizer = m->TowerOptimizer(), .bias_optimizer = m->DenseOptimizer()});
  return nn::ClassSoftmax(m->graph(), "class", x);
}

template Result<nn::Activation<float>*> BuildCnn(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildCnn(ModelBuilder<double>*);

}  // namespace sherd
