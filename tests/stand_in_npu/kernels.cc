// The kernels for which Paddle cannot fall back to the CPU's. In float16 and bfloat16, which the CPU has little of, values
// are widened to float32, the CPU's kernel runs, the result is rounded. And the gradient of products in float32: Paddle
// drops the buffer of an argument that it does not need, and falling back it would try to copy that.

#include <cmath>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "paddle/phi/backends/all_context.h"
#include "paddle/phi/backends/context_pool.h"
#include "paddle/phi/common/bfloat16.h"
#include "paddle/phi/common/float16.h"
#include "paddle/phi/common/int_array.h"
#include "paddle/phi/common/scalar.h"
#include "paddle/phi/core/dense_tensor.h"
#include "paddle/phi/core/kernel_factory.h"
#include "paddle/phi/core/kernel_registry.h"
#include "paddle/utils/optional.h"

namespace stand_in {

using phi::DenseTensor;
using Optional = paddle::optional<DenseTensor>;

const phi::CPUContext& Host() {
  return *static_cast<const phi::CPUContext*>(phi::DeviceContextPool::Instance().Get(phi::CPUPlace()));
}

template <typename T>
void Widen(const DenseTensor& from, DenseTensor* to) {
  to->Resize(from.dims());
  float* values = Host().Alloc<float>(to);
  const T* given = from.initialized() ? from.data<T>() : nullptr;
  for (int64_t i = 0; i < to->numel(); ++i) values[i] = given ? static_cast<float>(given[i]) : 0.0f;
}

template <typename T>
void Round(const phi::CustomContext& context, const DenseTensor& from, DenseTensor* to) {
  to->Resize(from.dims());
  T* values = context.Alloc<T>(to);
  for (int64_t i = 0; i < from.numel(); ++i) values[i] = static_cast<T>(from.data<float>()[i]);
}

// The kinds of arguments: a tensor of the kernel's type, or of float32 whatever that is; a result of either; an
// attribute. Each passes something to the CPU's kernel and has something to do afterwards.
template <typename Attribute>
struct By {
  using Parameter = Attribute;
  template <typename T>
  struct Passed {
    Passed(const phi::CustomContext&, Attribute value) : value(value) {}
    Attribute Get() { return value; }
    void Finish() {}
    Attribute value;
  };
};

template <typename Own = void>
struct Tensor {
  using Parameter = const DenseTensor&;
  template <typename T>
  struct Passed {
    Passed(const phi::CustomContext&, const DenseTensor& tensor) {
      Widen<std::conditional_t<std::is_void_v<Own>, T, Own>>(tensor, &wide);
    }
    const DenseTensor& Get() { return wide; }
    void Finish() {}
    DenseTensor wide;
  };
};

struct OptionalSingle {
  using Parameter = const Optional&;
  template <typename T>
  struct Passed {
    Passed(const phi::CustomContext&, const Optional& tensor) {
      if (!tensor || !tensor->initialized()) return;
      DenseTensor copy;
      Widen<float>(*tensor, &copy);
      wide = copy;
    }
    const Optional& Get() { return wide; }
    void Finish() {}
    Optional wide;
  };
};

template <typename Own = void>
struct Result {
  using Parameter = DenseTensor*;
  template <typename T>
  struct Passed {
    Passed(const phi::CustomContext& context, DenseTensor* result) : context(context), result(result) {
      if (result) wide.Resize(result->dims());
    }
    DenseTensor* Get() { return result ? &wide : nullptr; }
    void Finish() {
      if (result && wide.initialized()) Round<std::conditional_t<std::is_void_v<Own>, T, Own>>(context, wide, result);
    }
    const phi::CustomContext& context;
    DenseTensor* result;
    DenseTensor wide;
  };
};

// A result that stands in the memory of an argument, which the CPU's kernel reads from there.
struct Updated : Result<float> {
  template <typename T>
  struct Passed : Result<float>::Passed<T> {
    Passed(const phi::CustomContext& context, DenseTensor* result) : Result<float>::Passed<T>(context, result) {
      if (result && result->initialized()) Widen<float>(*result, &this->wide);
    }
  };
};

using In = Tensor<>;
using Single = Tensor<float>;
using Out = Result<>;
using SingleOut = Result<float>;
using Flag = By<bool>;
using Int = By<int>;
using Float = By<float>;
using Double = By<double>;
using Ints = By<const std::vector<int>&>;
using Longs = By<const std::vector<int64_t>&>;
using Array = By<const phi::IntArray&>;
using String = By<const std::string&>;

template <typename... Kinds>
struct Kernel {
  template <typename T>
  static void Run(const char* name, const phi::CustomContext& context, typename Kinds::Parameter... arguments) {
    const phi::KernelKey key(phi::Backend::CPU, phi::DataLayout::ALL_LAYOUT, phi::DataType::FLOAT32);
    const phi::Kernel& kernel = phi::KernelFactory::Instance().SelectKernel(name, key);
    auto* run = kernel.GetVariadicKernelFn<void (*)(const phi::CPUContext&, typename Kinds::Parameter...)>();
    std::tuple<typename Kinds::template Passed<T>...> passed{
        typename Kinds::template Passed<T>(context, arguments)...};
    std::apply([&](auto&... each) { (*run)(Host(), each.Get()...); }, passed);
    std::apply([](auto&... each) { (each.Finish(), ...); }, passed);
  }
};

template <const char* name, typename... Kinds>
struct Named {
  template <typename T, typename Context>
  static void Run(const Context& context, typename Kinds::Parameter... arguments) {
    Kernel<Kinds...>::template Run<T>(name, context, arguments...);
  }
};

// Adam of half-precision weights: that of their float32 masters, then rounded.
template <typename T, typename Context>
void Adam(const Context& context,
          const DenseTensor& param,
          const DenseTensor& grad,
          const DenseTensor& rate,
          const DenseTensor& moment1,
          const DenseTensor& moment2,
          const Optional& moment2_max,
          const DenseTensor& beta1_pow,
          const DenseTensor& beta2_pow,
          const Optional& master,
          const Optional& skip,
          const phi::Scalar& beta1,
          const phi::Scalar& beta2,
          const phi::Scalar& epsilon,
          bool lazy,
          int64_t min_rows,
          bool multi_precision,
          bool use_global_beta_pow,
          bool amsgrad,
          DenseTensor* param_out,
          DenseTensor* moment1_out,
          DenseTensor* moment2_out,
          DenseTensor* moment2_max_out,
          DenseTensor* beta1_pow_out,
          DenseTensor* beta2_pow_out,
          DenseTensor* master_out) {
  using Update = Kernel<Single,
                        In,
                        Single,
                        Single,
                        Single,
                        OptionalSingle,
                        Single,
                        Single,
                        By<const Optional&>,
                        By<const Optional&>,
                        By<const phi::Scalar&>,
                        By<const phi::Scalar&>,
                        By<const phi::Scalar&>,
                        Flag,
                        By<int64_t>,
                        Flag,
                        Flag,
                        Flag,
                        SingleOut,
                        SingleOut,
                        SingleOut,
                        SingleOut,
                        SingleOut,
                        SingleOut,
                        By<DenseTensor*>>;
  PADDLE_ENFORCE_EQ(multi_precision, true, common::errors::Unimplemented("half-precision weights need masters"));
  Update::template Run<T>("adam",
                          context,
                          *master,
                          grad,
                          rate,
                          moment1,
                          moment2,
                          moment2_max,
                          beta1_pow,
                          beta2_pow,
                          Optional(),
                          skip,
                          beta1,
                          beta2,
                          epsilon,
                          lazy,
                          min_rows,
                          false,
                          use_global_beta_pow,
                          amsgrad,
                          master_out,
                          moment1_out,
                          moment2_out,
                          moment2_max_out,
                          beta1_pow_out,
                          beta2_pow_out,
                          nullptr);
  Round<T>(context, *master_out, param_out);
}

// Divide gradients by the loss scale, and say whether one of them is not finite.
template <typename T, typename Context>
void CheckFiniteAndUnscale(const Context& context,
                           const std::vector<const DenseTensor*>& gradients,
                           const DenseTensor& scale,
                           std::vector<DenseTensor*> results,
                           DenseTensor* found) {
  const float divisor = scale.data<float>()[0];
  bool finite = true;
  for (size_t i = 0; i < gradients.size(); ++i) {
    DenseTensor wide;
    Widen<T>(*gradients[i], &wide);
    for (int64_t j = 0; j < wide.numel(); ++j) {
      float& value = wide.data<float>()[j];
      finite = finite && std::isfinite(value);
      value /= divisor;
    }
    Round<T>(context, wide, results[i]);
  }
  found->Resize({1});
  *context.template Alloc<bool>(found) = !finite;
}

}  // namespace stand_in

using phi::dtype::bfloat16;
using phi::dtype::float16;

// clang-format off
#define KERNEL_OF(types, name, ...)                                          \
  namespace stand_in {                                                       \
  inline constexpr char name##_name[] = #name;                               \
  using name##_kernel = Named<name##_name, __VA_ARGS__>;                     \
  }                                                                          \
  PD_REGISTER_PLUGIN_KERNEL(name, npu, ALL_LAYOUT, stand_in::name##_kernel::Run, types) {}
// clang-format on
#define COMMA ,
#define KERNEL(name, ...) KERNEL_OF(float16 COMMA bfloat16, name, __VA_ARGS__)

KERNEL(matmul, In, In, Flag, Flag, Out)
KERNEL(matmul_grad, In, In, In, Flag, Flag, Out, Out)
KERNEL(conv2d, In, In, Ints, Ints, String, Ints, Int, String, Out)
KERNEL(conv2d_grad, In, In, In, Ints, Ints, String, Ints, Int, String, Out, Out)
KERNEL(conv2d_transpose, In, In, Ints, Ints, Ints, Array, String, Int, Ints, String, Out)
KERNEL(conv2d_transpose_grad, In, In, In, Ints, Ints, Ints, Array, String, Int, Ints, String, Out, Out)
KERNEL(add, In, In, Out)
KERNEL(subtract, In, In, Out)
KERNEL(multiply, In, In, Out)
KERNEL(divide, In, In, Out)
KERNEL(add_grad, In, In, In, Int, Out, Out)
KERNEL(subtract_grad, In, In, In, Int, Out, Out)
KERNEL_OF(float COMMA float16 COMMA bfloat16, multiply_grad, In, In, In, Int, Out, Out)
KERNEL(divide_grad, In, In, In, In, Int, Out, Out)
KERNEL(relu, In, Out)
KERNEL(relu_grad, In, In, Out)
KERNEL(leaky_relu, In, Double, Out)
KERNEL(leaky_relu_grad, In, In, Double, Out)
KERNEL(tanh, In, Out)
KERNEL(tanh_grad, In, In, Out)
KERNEL(sigmoid, In, Out)
KERNEL(sigmoid_grad, In, In, Out)
KERNEL(pool2d, In, Array, Longs, Longs, Flag, Flag, String, String, Flag, Flag, String, Out)
KERNEL(pool2d_grad, In, In, In, Array, Longs, Longs, Flag, Flag, String, String, Flag, Flag, String, Out)
KERNEL(batch_norm, In, Single, Single, OptionalSingle, OptionalSingle, Flag, Float, Float, String, Flag, Flag, Out,
       Updated, Updated, SingleOut, SingleOut, SingleOut)
KERNEL(batch_norm_grad, In, OptionalSingle, OptionalSingle, OptionalSingle, OptionalSingle, Single, Single,
       OptionalSingle, In, Float, Float, String, Flag, Flag, Flag, Out, SingleOut, SingleOut)
PD_REGISTER_PLUGIN_KERNEL(adam, npu, ALL_LAYOUT, stand_in::Adam, float16, bfloat16) {}
PD_REGISTER_PLUGIN_KERNEL(
    check_finite_and_unscale, npu, ALL_LAYOUT, stand_in::CheckFiniteAndUnscale, float16, bfloat16) {}
