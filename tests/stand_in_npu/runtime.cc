// A custom device of type "npu" whose memory is the host's and whose kernels are the CPU's: it takes the suite through
// Paddle's plug-in interface where there is no Ascend card. Operators without a kernel here fall back to the CPU.
//
// STAND_IN_NPU_DEVICES: number of devices (1). STAND_IN_NPU_MEMORY: memory of each in MiB (16384).

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "communication.h"
#include "paddle/phi/backends/device_ext.h"

namespace {

constexpr size_t kMaxDevices = 64;

size_t Setting(const char* name, size_t otherwise) {
  const char* value = std::getenv(name);
  return value ? std::strtoul(value, nullptr, 10) : otherwise;
}

size_t Devices() { return Setting("STAND_IN_NPU_DEVICES", 1); }
size_t Memory() { return Setting("STAND_IN_NPU_MEMORY", 16384) << 20; }

std::mutex mutex;
size_t used[kMaxDevices];
int current;

C_Status Nothing() { return C_SUCCESS; }
C_Status NothingOfDevice(const C_Device) { return C_SUCCESS; }

C_Status SetDevice(const C_Device device) {
  current = device->id;
  return C_SUCCESS;
}

C_Status GetDevice(const C_Device device) {
  device->id = current;
  return C_SUCCESS;
}

C_Status CountDevices(size_t* count) {
  *count = Devices();
  return C_SUCCESS;
}

C_Status ListDevices(size_t* devices) {
  for (size_t i = 0; i < Devices(); ++i) devices[i] = i;
  return C_SUCCESS;
}

// Everything is done when the call returns, so streams and events need nothing but an identity.
C_Status CreateStream(const C_Device, C_Stream* stream) {
  *stream = reinterpret_cast<C_Stream>(new char);
  return C_SUCCESS;
}

C_Status DestroyStream(const C_Device, C_Stream stream) {
  delete reinterpret_cast<char*>(stream);
  return C_SUCCESS;
}

C_Status NothingOfStream(const C_Device, C_Stream) { return C_SUCCESS; }

C_Status AddCallback(const C_Device device, C_Stream stream, C_Callback callback, void* data) {
  C_Status status = C_SUCCESS;
  callback(device, stream, data, &status);
  return status;
}

C_Status CreateEvent(const C_Device, C_Event* event) {
  *event = reinterpret_cast<C_Event>(new char);
  return C_SUCCESS;
}

C_Status DestroyEvent(const C_Device, C_Event event) {
  delete reinterpret_cast<char*>(event);
  return C_SUCCESS;
}

C_Status NothingOfEvent(const C_Device, C_Event) { return C_SUCCESS; }
C_Status NothingOfBoth(const C_Device, C_Stream, C_Event) { return C_SUCCESS; }

C_Status Allocate(const C_Device device, void** pointer, size_t size) {
  std::lock_guard<std::mutex> guard(mutex);
  if (used[device->id] + size > Memory()) return C_FAILED;
  *pointer = std::malloc(size);
  if (*pointer == nullptr) return C_FAILED;
  used[device->id] += size;
  return C_SUCCESS;
}

C_Status Free(const C_Device device, void* pointer, size_t size) {
  std::lock_guard<std::mutex> guard(mutex);
  std::free(pointer);
  used[device->id] -= size;
  return C_SUCCESS;
}

C_Status AllocateHost(const C_Device, void** pointer, size_t size) {
  *pointer = std::malloc(size);
  return *pointer ? C_SUCCESS : C_FAILED;
}

C_Status FreeHost(const C_Device, void* pointer, size_t) {
  std::free(pointer);
  return C_SUCCESS;
}

C_Status Set(const C_Device, void* pointer, unsigned char value, size_t size) {
  std::memset(pointer, value, size);
  return C_SUCCESS;
}

C_Status Copy(const C_Device, void* to, const void* from, size_t size) {
  std::memmove(to, from, size);
  return C_SUCCESS;
}

C_Status CopyBetween(const C_Device, const C_Device, void* to, const void* from, size_t size) {
  std::memmove(to, from, size);
  return C_SUCCESS;
}

C_Status CopyInStream(const C_Device, C_Stream, void* to, const void* from, size_t size) {
  std::memmove(to, from, size);
  return C_SUCCESS;
}

C_Status CopyBetweenInStream(const C_Device, const C_Device, C_Stream, void* to, const void* from, size_t size) {
  std::memmove(to, from, size);
  return C_SUCCESS;
}

C_Status MemoryStats(const C_Device device, size_t* total, size_t* free) {
  std::lock_guard<std::mutex> guard(mutex);
  *total = Memory();
  *free = Memory() - used[device->id];
  return C_SUCCESS;
}

C_Status MinChunk(const C_Device, size_t* size) {
  *size = 512;
  return C_SUCCESS;
}

C_Status Supported(const C_Device, bool* supported) {
  *supported = true;
  return C_SUCCESS;
}

}  // namespace

extern "C" void InitPlugin(CustomRuntimeParams* params) {
  PADDLE_CUSTOM_RUNTIME_CHECK_VERSION(params);
  params->device_type = const_cast<char*>("npu");
  params->sub_device_type = const_cast<char*>("stand-in");
  C_DeviceInterface& device = *params->interface;
  std::memset(&device, 0, sizeof(device));
  device.size = sizeof(device);

  device.initialize = device.finalize = Nothing;
  device.init_device = device.deinit_device = device.synchronize_device = NothingOfDevice;
  device.set_device = SetDevice;
  device.get_device = GetDevice;
  device.get_device_count = CountDevices;
  device.get_device_list = ListDevices;

  device.create_stream = CreateStream;
  device.destroy_stream = DestroyStream;
  device.query_stream = device.synchronize_stream = NothingOfStream;
  device.stream_add_callback = AddCallback;
  device.create_event = CreateEvent;
  device.destroy_event = DestroyEvent;
  device.query_event = device.synchronize_event = NothingOfEvent;
  device.record_event = device.stream_wait_event = NothingOfBoth;

  device.device_memory_allocate = Allocate;
  device.device_memory_deallocate = Free;
  device.host_memory_allocate = AllocateHost;
  device.host_memory_deallocate = FreeHost;
  device.device_memory_set = Set;
  device.memory_copy_h2d = device.memory_copy_d2h = device.memory_copy_d2d = Copy;
  device.memory_copy_p2p = CopyBetween;
  device.async_memory_copy_h2d = device.async_memory_copy_d2h = device.async_memory_copy_d2d = CopyInStream;
  device.async_memory_copy_p2p = CopyBetweenInStream;
  device.device_memory_stats = MemoryStats;
  device.device_min_chunk_size = MinChunk;
  device.is_float16_supported = device.is_bfloat16_supported = Supported;

  RegisterCommunication(&device);
}
