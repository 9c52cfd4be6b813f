#pragma once

#include "paddle/phi/backends/device_ext.h"

// Let the device's collectives (XCCL) run between processes of this machine.
void RegisterCommunication(C_DeviceInterface* device);
