#include "worker/engine/program_memory.h"

#include "gtest/gtest.h"
