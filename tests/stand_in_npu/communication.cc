// Collectives between the ranks of one machine, through a file of shared memory: every rank writes its part, all wait,
// all read.

#include "communication.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "paddle/phi/common/bfloat16.h"
#include "paddle/phi/common/float16.h"

namespace {

constexpr size_t kNameSize = 64;
constexpr size_t kPart = 1 << 20;  // bytes that a rank passes on at a time
constexpr std::chrono::seconds kPatience(20);

struct Shared {
  std::atomic<size_t> arrivals;  // at barriers, ever
  std::atomic<size_t> members;
};

struct Communicator {
  std::string name;
  size_t rank, ranks, barriers;
  Shared* shared;

  char* Part(size_t of) const { return reinterpret_cast<char*>(shared) + 4096 + of * kPart; }
  size_t Size() const { return 4096 + ranks * kPart; }

  // Returns false where a rank stays away.
  bool Wait() {
    ++shared->arrivals;
    ++barriers;
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (shared->arrivals < barriers * ranks) {
      if (std::chrono::steady_clock::now() > until) {
        std::fprintf(stderr, "stand-in npu: rank %zu waits in vain for another rank\n", rank);
        return false;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
    return true;
  }
};

Communicator* Of(C_CCLComm comm) { return reinterpret_cast<Communicator*>(comm); }

size_t SizeOf(C_DataType type) {
  switch (type) {
    case BOOL:
    case UINT8:
    case INT8:
      return 1;
    case FLOAT16:
    case BFLOAT16:
    case INT16:
      return 2;
    case FLOAT32:
    case INT32:
      return 4;
    default:
      return 8;
  }
}

template <typename T, typename Sum>
void Reduce(const Communicator& comm, void* result, size_t count, C_CCLReduceOp op) {
  for (size_t i = 0; i < count; ++i) {
    Sum total = static_cast<Sum>(reinterpret_cast<T*>(comm.Part(0))[i]);
    for (size_t rank = 1; rank < comm.ranks; ++rank) {
      const Sum value = static_cast<Sum>(reinterpret_cast<T*>(comm.Part(rank))[i]);
      if (op == MAX) {
        total = std::max(total, value);
      } else if (op == MIN) {
        total = std::min(total, value);
      } else if (op == PRODUCT) {
        total = total * value;
      } else {
        total = total + value;
      }
    }
    if (op == AVG) total = total / static_cast<Sum>(comm.ranks);
    reinterpret_cast<T*>(result)[i] = static_cast<T>(total);
  }
}

bool ReduceAs(C_DataType type, const Communicator& comm, void* result, size_t count, C_CCLReduceOp op) {
  switch (type) {
    case BOOL:
    case UINT8:
      return Reduce<uint8_t, uint8_t>(comm, result, count, op), true;
    case INT32:
      return Reduce<int32_t, int32_t>(comm, result, count, op), true;
    case INT64:
      return Reduce<int64_t, int64_t>(comm, result, count, op), true;
    case FLOAT16:
      return Reduce<phi::dtype::float16, float>(comm, result, count, op), true;
    case BFLOAT16:
      return Reduce<phi::dtype::bfloat16, float>(comm, result, count, op), true;
    case FLOAT32:
      return Reduce<float, float>(comm, result, count, op), true;
    case FLOAT64:
      return Reduce<double, double>(comm, result, count, op), true;
    default:
      return false;
  }
}

// Call `part(offset, size)` for pieces of a buffer that fit, between two barriers each.
template <typename Write, typename Read>
C_Status InParts(Communicator* comm, size_t bytes, Write write, Read read) {
  for (size_t offset = 0; offset < bytes; offset += kPart) {
    const size_t size = std::min(kPart, bytes - offset);
    write(offset, size);
    if (!comm->Wait()) return C_ERROR;
    read(offset, size);
    if (!comm->Wait()) return C_ERROR;
  }
  return C_SUCCESS;
}

C_Status UniqueIdSize(size_t* size) {
  *size = kNameSize;
  return C_SUCCESS;
}

C_Status UniqueId(C_CCLRootId* id) {
  std::random_device random;
  std::snprintf(static_cast<char*>(id->data), kNameSize, "/stand_in_npu_%08x%08x", random(), random());
  return C_SUCCESS;
}

C_Status CommunicatorName(C_CCLComm comm, char* name) {
  std::snprintf(name, kNameSize, "%s", Of(comm)->name.c_str());
  return C_SUCCESS;
}

C_Status Join(size_t ranks, C_CCLRootId* id, size_t rank, C_CCLComm* result) {
  auto* comm = new Communicator{static_cast<char*>(id->data), rank, ranks, 0, nullptr};
  const int file = shm_open(comm->name.c_str(), O_CREAT | O_RDWR, 0600);
  if (file < 0 || ftruncate(file, comm->Size()) != 0) return C_ERROR;
  void* memory = mmap(nullptr, comm->Size(), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) return C_ERROR;
  comm->shared = static_cast<Shared*>(memory);  // a new file is all zeros
  *result = reinterpret_cast<C_CCLComm>(comm);
  const bool complete = comm->Wait();
  shm_unlink(comm->name.c_str());  // what is mapped stays
  return complete ? C_SUCCESS : C_ERROR;
}

C_Status Leave(C_CCLComm comm) {
  munmap(Of(comm)->shared, Of(comm)->Size());
  delete Of(comm);
  return C_SUCCESS;
}

C_Status AllReduce(
    void* send, void* receive, size_t count, C_DataType type, C_CCLReduceOp op, C_CCLComm handle, C_Stream) {
  Communicator* comm = Of(handle);
  bool known = true;
  // Into a buffer: others may still read this rank's part when `receive` is `send`.
  const C_Status status = InParts(
      comm,
      count * SizeOf(type),
      [&](size_t offset, size_t size) {
        std::memcpy(comm->Part(comm->rank), static_cast<char*>(send) + offset, size);
      },
      [&](size_t offset, size_t size) {
        known = ReduceAs(type, *comm, static_cast<char*>(receive) + offset, size / SizeOf(type), op);
      });
  return known ? status : C_ERROR;
}

C_Status Broadcast(void* buffer, size_t count, C_DataType type, size_t root, C_CCLComm handle, C_Stream) {
  Communicator* comm = Of(handle);
  char* bytes = static_cast<char*>(buffer);
  return InParts(
      comm,
      count * SizeOf(type),
      [&](size_t offset, size_t size) {
        if (comm->rank == root) std::memcpy(comm->Part(root), bytes + offset, size);
      },
      [&](size_t offset, size_t size) {
        if (comm->rank != root) std::memcpy(bytes + offset, comm->Part(root), size);
      });
}

C_Status AllGather(void* send, void* receive, size_t count, C_DataType type, C_CCLComm handle, C_Stream) {
  Communicator* comm = Of(handle);
  const size_t bytes = count * SizeOf(type);
  return InParts(
      comm,
      bytes,
      [&](size_t offset, size_t size) {
        std::memcpy(comm->Part(comm->rank), static_cast<char*>(send) + offset, size);
      },
      [&](size_t offset, size_t size) {
        for (size_t rank = 0; rank < comm->ranks; ++rank) {
          std::memcpy(static_cast<char*>(receive) + rank * bytes + offset, comm->Part(rank), size);
        }
      });
}

C_Status Nothing() { return C_SUCCESS; }

}  // namespace

void RegisterCommunication(C_DeviceInterface* device) {
  device->xccl_get_comm_name = CommunicatorName;
  device->xccl_get_unique_id_size = UniqueIdSize;
  device->xccl_get_unique_id = UniqueId;
  device->xccl_comm_init_rank = Join;
  device->xccl_destroy_comm = Leave;
  device->xccl_all_reduce = AllReduce;
  device->xccl_broadcast = Broadcast;
  device->xccl_all_gather = AllGather;
  device->xccl_group_start = device->xccl_group_end = Nothing;
}
